#!/usr/bin/env bash
# Rerun cited studies on real images, with ImageNet weights that come as a package, and compare.
#
#   benchmarks/replications.sh IMAGES OUT [BIN]
#
# IMAGES is a folder of image sets: covid_ct (the COVID-CT set with its lists), covid_xray_talo (the
# three-class X-rays of Talo and Ozturk), covid_chestxray_ieee8023 (frontal X-rays of the COVID-19
# Image Data Collection), busi, brain_tumor_mri_sartaj (Brain Tumor Classification (MRI)),
# wbc_cellavision, pneumoniamnist. They are not part of this repository: see the setups for where each
# is published. OUT gets the database, the caches, replications.csv and the figure.
set -euo pipefail
images=$(cd "$1" && pwd)
mkdir -p "$2"
out=$(cd "$2" && pwd)
tool=${3:+$(cd "$3" && pwd)/}medtl-meta
export MEDTL_META_DB=$out/replications.sqlite MEDTL_META_CACHE=$out/cache MEDTL_META_RUNS=$out/runs
cd "$images"

rerun() { "$tool" replicate run "$@" --backbone MobileNetV2 --seeds 0,1,2 --out "$out/last.json"; }

rerun minaee2020 --images covid_chestxray_ieee8023
rerun minaee2020 --images covid_chestxray_ieee8023 --split patient
rerun pham2020 --images covid_ct
rerun pham2020 --images covid_ct --split image --test 0.27
rerun hegde2019 --images wbc_cellavision
rerun apostolopoulos2020 --images covid_xray_talo
rerun apostolopoulos2020 --images covid_xray_talo --split patient
rerun rahaman2020 --images covid_xray_talo
rerun heidari2020 --images covid_xray_talo
rerun deepak2019 --images brain_tumor_mri_sartaj
# Convolutional layers learn in these: smaller images and mostly fewer epochs, which the ledger says.
rerun byra2019 --images busi --size 128 --epochs 10
rerun swati2019 --images brain_tumor_mri_sartaj --size 128 --epochs 10
rerun lee2020a --images covid_xray_talo --size 128
rerun tang2020 --images pneumoniamnist --size 64 --epochs 4

"$tool" replicate compare --format csv >"$out/replications.csv"
"$tool" replicate compare --out "$out" --figure png,html >"$out/log"
