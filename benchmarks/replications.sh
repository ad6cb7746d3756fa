#!/usr/bin/env bash
# Rerun cited studies on real images, with ImageNet weights that come as packages, and compare.
#
#   benchmarks/replications.sh IMAGES OUT [BIN]
#
# IMAGES is a folder of image sets: covid_ct (the COVID-CT set with its lists), covid_xray_talo (the
# three-class X-rays of Talo and Ozturk), covid_chestxray_ieee8023 (frontal X-rays of the COVID-19
# Image Data Collection), busi, brain_tumor_mri_sartaj (Brain Tumor Classification (MRI)),
# wbc_cellavision, pneumoniamnist, xca_stenosis (the patches of Ovalle-Magallanes and others), drimdb.
# They are not part of this repository: see the setups for where each is published. OUT gets the
# database, the caches, replications.csv and the figure; what was finished before is shown again.
set -euo pipefail
images=$(cd "$1" && pwd)
mkdir -p "$2"
out=$(cd "$2" && pwd)
tool=${3:+$(cd "$3" && pwd)/}medtl-meta
export MEDTL_META_DB=$out/replications.sqlite MEDTL_META_CACHE=$out/cache MEDTL_META_RUNS=$out/runs
cd "$images"

# One run a line, then one process a core: what they share (features, images) is made once.
lines=$out/runs.txt
: >"$lines"
rerun() { echo "$* --seeds 0,1,2" >>"$lines"; }
# Where the convolutional layers stay as they are, all three networks are cheap.
each() {
  for network in MobileNetV2 EfficientNet-Lite0 SqueezeNet1.1; do rerun "$@" --backbone "$network"; done
}

each minaee2020 --images covid_chestxray_ieee8023
each minaee2020 --images covid_chestxray_ieee8023 --split patient
each pham2020 --images covid_ct
each pham2020 --images covid_ct --split image --test 0.27
each hegde2019 --images wbc_cellavision
each apostolopoulos2020 --images covid_xray_talo
each apostolopoulos2020 --images covid_xray_talo --split patient
each rahaman2020 --images covid_xray_talo
each heidari2020 --images covid_xray_talo
each deepak2019 --images brain_tumor_mri_sartaj
each chi2017 --images busi
each byra2018 --images busi
# The study's own images in its own division, and with copies kept on one side.
each ovallemagallanes2020 --images xca_stenosis
each ovallemagallanes2020 --images xca_stenosis --split group --test 0.5
# Convolutional layers learn in these: smaller images and mostly fewer epochs, which the ledger says.
small() { rerun "$@" --backbone MobileNetV2; }
small byra2019 --images busi --size 128 --epochs 10
small swati2019 --images brain_tumor_mri_sartaj --size 128 --epochs 10
small lee2020a --images covid_xray_talo --size 128
small tang2020 --images pneumoniamnist --size 64 --epochs 4
small romero2020 --images pneumoniamnist --size 64 --epochs 8
small zago2018 --images drimdb --size 64 --epochs 8

"$tool" db load >"$out/log"
OMP_NUM_THREADS=1 xargs -a "$lines" -P "$(getconf _NPROCESSORS_ONLN)" -L 1 "$tool" replicate run >>"$out/log"
"$tool" replicate compare --format csv >"$out/replications.csv"
"$tool" replicate compare --out "$out" --figure png,html >"$out/log"
