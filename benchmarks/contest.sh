#!/usr/bin/env bash
# Hold the contest of benchmarks/contest.csv: three networks with real ImageNet weights, every TL type,
# three seeds, ten real image sets.
#
#   benchmarks/contest.sh IMAGES OUT [BIN]
#
# IMAGES is a folder of image sets (see replications.sh). OUT gets caches, runs, rows and figures; a
# contest that was stopped goes on with the same words. One network after the other, so that the rows of
# one are whole before the next begins; the last call finds all of them done and judges them together.
set -euo pipefail
images=$(cd "$1" && pwd)
mkdir -p "$2"
out=$(cd "$2" && pwd)
tool=${3:+$(cd "$3" && pwd)/}medtl-meta
export MEDTL_META_DB=$out/contest.sqlite MEDTL_META_CACHE=$out/cache MEDTL_META_RUNS=$out/runs
cd "$images"

sets=(
  covid_ct:CT covid_xray_talo:X-ray covid_chestxray_ieee8023:X-ray pneumoniamnist:X-ray busi:sonography
  brain_tumor_mri_sartaj:MRI wbc_cellavision:microscopy bccd_cells:microscopy drimdb:fundus
  xca_stenosis:angiography
)
words=()
for one in "${sets[@]}"; do words+=(--images "${one%%:*}" --modality "${one#*:}"); done

hold() {
  "$tool" replicate contest "${words[@]}" --backbone "$1" --tl all --seeds 0,1,2 \
    --size 96 --epochs 8 --test 0.25 --max-images 240 --out "$2" --figure "$3" >"$2.log"
}

networks=(SqueezeNet1.1 MobileNetV2 EfficientNet-Lite0)
for network in "${networks[@]}"; do hold "$network" "$out/$network" csv; done
hold "$(IFS=,; echo "${networks[*]}")" "$out/all" png,html,svg,csv
