#!/usr/bin/env bash
# Whole processes, paired in one run: medtl-meta beside sqlite-utils for the same rows, and --help.
# Needs hyperfine, and sqlite-utils in the same environment as medtl-meta:
#     pip install sqlite-utils
#     benchmarks/start_up.sh .venv/bin
set -euo pipefail
bin=${1:?usage: start_up.sh FOLDER-OF-THE-COMMANDS}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export MEDTL_META_DB="$folder/medtl-meta.sqlite" COLUMNS=160
export MEDTL_META_RUNS="$folder/runs" MEDTL_META_CACHE="$folder/cache"
"$bin/medtl-meta" db load >/dev/null
run="replicate run --images phantom:oct?n=60&size=32 --backbone LeNet5 --weights random --size 32 --epochs 1"
"$bin/medtl-meta" $run >/dev/null 2>&1
sql="SELECT s.ref, s.key, s.year, s.modality, s.anatomy, s.n_classes, s.n_images,
  (SELECT group_concat(backbone) FROM study_backbone b WHERE b.study_id = s.id) AS backbones,
  (SELECT group_concat(tl_type) FROM study_tl_type t WHERE t.study_id = s.id) AS tl_types,
  (SELECT value FROM reported_metric m WHERE m.study_id = s.id AND headline AND metric = 'accuracy') AS accuracy,
  (SELECT value FROM reported_metric m WHERE m.study_id = s.id AND headline AND metric = 'AUC') AS auc
  FROM study s WHERE s.modality = 'OCT' ORDER BY s.ref"
printf '%s' "$sql" >"$folder/query.sql"
hyperfine --shell=none --warmup 3 --runs 20 --export-csv "${2:-benchmarks/start_up.csv}" \
    --command-name "medtl-meta query --modality OCT" "$bin/medtl-meta query --modality OCT" \
    --command-name "medtl-meta query --modality OCT --format json" "$bin/medtl-meta query --modality OCT --format json" \
    --command-name "sqlite-utils query, the same rows" "$bin/sqlite-utils query $MEDTL_META_DB '$(tr '\n' ' ' <"$folder/query.sql" | sed "s/'/'\\\\''/g")'" \
    --command-name "sqlite-utils query --table, the same rows" "$bin/sqlite-utils query $MEDTL_META_DB --table '$(tr '\n' ' ' <"$folder/query.sql" | sed "s/'/'\\\\''/g")'" \
    --command-name "medtl-meta --help" "$bin/medtl-meta --help" \
    --command-name "medtl-meta replicate run --help" "$bin/medtl-meta replicate run --help" \
    --command-name "medtl-meta replicate run, finished before" "$bin/medtl-meta $run" \
    --command-name "python -c pass" "$bin/python -c pass"
