#!/usr/bin/env bash
# Hold the contest of benchmarks/contest.csv: three networks with real ImageNet weights, every TL type,
# three seeds, ten real image sets.
#
#   benchmarks/contest.sh IMAGES OUT [BIN]
#
# IMAGES is a folder of image sets (see replications.sh). OUT gets caches, runs, rows and figures; a
# contest that was stopped goes on with the same words. One process a core shares the work: each
# passes over what another is at, and the first writes rows and figures of all.
set -euo pipefail
images=$(cd "$1" && pwd)
mkdir -p "$2"
out=$(cd "$2" && pwd)
tool=${3:+$(cd "$3" && pwd)/}medtl-meta
export MEDTL_META_DB=$out/contest.sqlite MEDTL_META_CACHE=$out/cache MEDTL_META_RUNS=$out/runs
export OMP_NUM_THREADS=1
cd "$images"

sets=(
  covid_ct:CT covid_xray_talo:X-ray covid_chestxray_ieee8023:X-ray pneumoniamnist:X-ray busi:sonography
  brain_tumor_mri_sartaj:MRI wbc_cellavision:microscopy bccd_cells:microscopy drimdb:fundus
  xca_stenosis:angiography
)
words=()
for one in "${sets[@]}"; do words+=(--images "${one%%:*}" --modality "${one#*:}"); done

hold() {
  "$tool" replicate contest "${words[@]}" --backbone SqueezeNet1.1,MobileNetV2,EfficientNet-Lite0 \
    --tl all --seeds 0,1,2 --size 64 --epochs 8 --test 0.25 --max-images 200 \
    --out "$out/$1" --figure png,html,svg,csv >"$out/$1.log"
}

"$tool" db load >"$out/load.log"
for helper in $(seq 2 "$(getconf _NPROCESSORS_ONLN)"); do hold "process-$helper" & done
hold results
wait
