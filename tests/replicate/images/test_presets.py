"""Each published form of a table, in small: heading, names of images and folders as they are."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from db.errors import ImagesError, UnknownTermError, UsageError
from replicate.images.image_set import ImageSet
from replicate.images.opening import open_images
from replicate.images.reading import taken

Write = Callable[..., Path]


@dataclass(frozen=True)
class Form:
    """A form: table, its text, where its images lie, and what comes of it."""

    preset: str
    table: str
    text: str
    files: str
    classes: str
    labels: list[int]
    groups: int | None
    words: str = ""


_CHEXPERT = (
    "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,"
    "Lung Opacity,Lung Lesion,Edema,Consolidation,Pneumonia,Atelectasis,Pneumothorax,"
    "Pleural Effusion,Pleural Other,Fracture,Support Devices\n"
    "CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg,Female,68,Frontal,AP,"
    "1.0,,,,,,,,,0.0,,,,\n"
    "CheXpert-v1.0-small/train/patient00002/study2/view1_frontal.jpg,Female,87,Frontal,AP,"
    ",,-1.0,1.0,,-1.0,-1.0,,-1.0,,-1.0,,1.0,\n"
    "CheXpert-v1.0-small/train/patient00002/study1/view1_frontal.jpg,Female,83,Frontal,AP,"
    ",,,1.0,,,,-1.0,,,,,,\n"
    "CheXpert-v1.0-small/train/patient00002/study1/view2_lateral.jpg,Female,83,Lateral,,"
    ",,,,,,,1.0,0.0,,,,,\n"
)
_CHEXPERT_FILES = (
    "train/patient00001/study1/view1_frontal.jpg train/patient00002/study2/view1_frontal.jpg "
    "train/patient00002/study1/view1_frontal.jpg train/patient00002/study1/view2_lateral.jpg"
)
_RSNA = "patientId,x,y,width,height,Target\n0004cfab,,,,,0\n00436515,264.0,152.0,213.0,379.0,1\n"
_RSNA += "00436515,562.0,152.0,256.0,453.0,1\n"
_COVID = (
    "patientid,offset,sex,age,finding,RT_PCR_positive,view,modality,date,location,folder,filename,"
    "doi,url,license\n"
    '2,0,M,65,Pneumonia/Viral/COVID-19,Y,PA,X-ray,"January 22, 2020","Cho Ray, Vietnam",images,'
    "auntminnie-a.jpeg,,,\n"
    "2,3,M,65,Pneumonia/Viral/COVID-19,Y,AP Supine,X-ray,,,images,auntminnie-b.jpeg,,,\n"
    "4,0,F,52,Pneumonia,,PA,X-ray,,,images,lancet-1.png,,,\n"
    "5,0,F,52,todo,,PA,X-ray,,,images,lancet-2.png,,,\n"
    "6,0,F,52,Tuberculosis,,L,X-ray,,,images,lancet-3.png,,,\n"
    "7,0,F,52,Pneumonia/Viral/COVID-19,,Axial,CT,,,volumes,coronacases.nii.gz,,,\n"
)
_COVID_FILES = (
    "images/auntminnie-a.jpeg images/auntminnie-b.jpeg images/lancet-1.png images/lancet-2.png "
    "images/lancet-3.png"
)
_NIH = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],\n"
    "00000001_000.png,Cardiomegaly,0,1,058Y,M,PA,2682,2749,0.143,0.143,\n"
    "00000001_001.png,Cardiomegaly|Emphysema,1,1,058Y,M,PA,2894,2729,0.143,0.143,\n"
    "00000002_000.png,No Finding,0,2,081Y,M,PA,2500,2048,0.171,0.171,\n"
)
_NIH_FILES = (
    "images_001/images/00000001_000.png images_001/images/00000001_001.png "
    "images_002/images/00000002_000.png"
)
_2018 = "ISIC2018_Task3_Training_Input/"

FORMS = {
    "ham10000": Form(
        "ham10000",
        "HAM10000_metadata.csv",
        "lesion_id,image_id,dx,dx_type,age,sex,localization,dataset\n"
        "HAM_0000118,ISIC_0027419,bkl,histo,80.0,male,scalp,vidir_modern\n"
        "HAM_0000118,ISIC_0025030,bkl,histo,80.0,male,scalp,vidir_modern\n"
        "HAM_0002730,ISIC_0026769,nv,histo,80.0,male,back,vidir_modern\n",
        "HAM10000_images_part_1/ISIC_0027419.jpg HAM10000_images_part_1/ISIC_0025030.jpg "
        "HAM10000_images_part_2/ISIC_0026769.jpg",
        "bkl nv",
        [0, 0, 1],
        2,
    ),
    "isic 2018": Form(
        "isic",
        "ISIC2018_Task3_Training_GroundTruth.csv",
        "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC\n"
        "ISIC_0024306,0.0,1.0,0.0,0.0,0.0,0.0,0.0\nISIC_0024307,0.0,1.0,0.0,0.0,0.0,0.0,0.0\n"
        "ISIC_0024310,1.0,0.0,0.0,0.0,0.0,0.0,0.0\n",
        f"{_2018}ISIC_0024306.jpg {_2018}ISIC_0024307.jpg {_2018}ISIC_0024310.jpg",
        "MEL NV",
        [1, 1, 0],
        None,
    ),
    "isic 2020": Form(
        "isic",
        "train.csv",
        "image_name,patient_id,sex,age_approx,anatom_site_general_challenge,diagnosis,"
        "benign_malignant,target\n"
        "ISIC_2637011,IP_7279968,male,45.0,head/neck,unknown,benign,0\n"
        "ISIC_0015719,IP_3075186,female,45.0,upper extremity,unknown,benign,0\n"
        "ISIC_0052212,IP_3075186,female,50.0,lower extremity,melanoma,malignant,1\n",
        "train/ISIC_2637011.jpg train/ISIC_0015719.jpg train/ISIC_0052212.jpg",
        "benign malignant",
        [0, 1, 0],
        2,
    ),
    "chexpert": Form(
        "chexpert",
        "train.csv",
        _CHEXPERT,
        _CHEXPERT_FILES,
        "no Pneumonia|Pneumonia",
        [0, 1, 0],
        2,
        "finding=pneumonia",
    ),
    "chestxray14": Form(
        "chestxray14",
        "Data_Entry_2017.csv",
        _NIH,
        _NIH_FILES,
        "Cardiomegaly|No Finding",
        [0, 1],
        2,
    ),
    "rsna": Form(
        "rsna",
        "stage_2_train_labels.csv",
        _RSNA,
        "stage_2_train_images/0004cfab.png stage_2_train_images/00436515.png",
        "no pneumonia|pneumonia",
        [0, 1],
        2,
    ),
    "covid-chestxray": Form(
        "covid-chestxray",
        "metadata.csv",
        _COVID,
        _COVID_FILES,
        "COVID-19 Pneumonia",
        [0, 0, 1],
        2,
    ),
}


def laid_out(form: Form, folder: Path, picture: Write, text: str | None = None) -> Path:
    for index, name in enumerate(form.files.split()):
        place = picture(folder / f"{index}.png", index)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(place, folder / name)
    path = folder / form.table
    path.write_text(form.text if text is None else text, encoding="utf-8")
    return path


def read(path: Path, **words: object) -> ImageSet:
    return open_images(path, reading=taken(words)[0])


def told(images: ImageSet) -> dict[str, dict[str, object]]:
    return {note.code: dict(note.values) for note in images.notes}


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("named", [True, False])
def test_a_published_form_is_read(name: str, named: bool, tmp_path: Path, picture: Write) -> None:
    form = FORMS[name]
    words = dict([form.words.split("=")]) if form.words else {}
    path = laid_out(form, tmp_path, picture)
    images = read(path, **words, **({"preset": form.preset} if named else {}))
    wanted = form.classes.split("|" if "|" in form.classes else " ")
    assert list(images.classes) == wanted
    assert images.labels.tolist() == form.labels
    assert (None if images.groups is None else len(set(images.groups))) == form.groups
    assert set(images.ids) <= set(form.files.split())
    assert ("published form" in told(images)) is not named
    assert [images.read(i).size for i in range(len(images))]


def test_of_several_boxes_a_patient_is_one_image(tmp_path: Path, picture: Write) -> None:
    path = laid_out(FORMS["rsna"], tmp_path, picture)
    assert told(read(path))["rows of one image"] == {"count": 1}
    path.write_text(_RSNA + "0004cfab,1,1,1,1,1\n", encoding="utf-8")
    with pytest.raises(ImagesError, match=r"labels.csv:5: column patientId: .* in line 2"):
        read(path)


def test_only_frontal_views_with_a_diagnosis(tmp_path: Path, picture: Write) -> None:
    notes = told(read(laid_out(FORMS["covid-chestxray"], tmp_path, picture)))
    assert notes["other views"]["views"] == {"L": 1, "Axial": 1}
    assert (notes["no class"]["count"], notes["no class"]["column"]) == (1, "finding")


def test_a_finding_is_told_by_each_step_of_a_diagnosis(tmp_path: Path, picture: Write) -> None:
    text = _COVID + "8,0,F,52,No Finding,,PA,X-ray,,,images,lancet-3.png,,,\n"
    path = laid_out(FORMS["covid-chestxray"], tmp_path, picture, text)
    images = read(path, finding="Pneumonia")
    assert images.classes == ("no Pneumonia", "Pneumonia")
    assert images.labels.tolist() == [1, 1, 1, 0]


@pytest.mark.parametrize(
    ("uncertain", "labels", "code"),
    [
        (None, [0, 1, 0], "uncertain left out"),
        ("left-out", [0, 1, 0], "uncertain left out"),
        ("positive", [0, 1, 1, 0], "uncertain taken"),
        ("negative", [0, 0, 1, 0], "uncertain taken"),
    ],
)
def test_uncertain_labels(
    tmp_path: Path, picture: Write, uncertain: str | None, labels: list[int], code: str
) -> None:
    path = laid_out(FORMS["chexpert"], tmp_path, picture)
    images = read(path, finding="Pneumonia", uncertain=uncertain)
    assert images.labels.tolist() == labels
    assert told(images)[code]["count"] == 1
    assert told(images)["not mentioned"] == {"count": 2, "finding": "Pneumonia"}


def test_without_a_finding_images_of_one_alone_are_taken(tmp_path: Path, picture: Write) -> None:
    path = laid_out(FORMS["chexpert"], tmp_path, picture)
    images = read(path)  # two of four have uncertain findings
    assert images.classes == ("No Finding", "Pneumonia")
    assert told(images)["uncertain left out"] == {"count": 2}
    images = read(path, uncertain="negative")
    assert images.classes == ("Lung Opacity", "No Finding", "Pneumonia")
    assert told(images)["several findings"] == {"count": 1}


def test_findings_of_one_cell(tmp_path: Path, picture: Write) -> None:
    path = laid_out(FORMS["chestxray14"], tmp_path, picture)
    assert told(read(path))["several findings"] == {"count": 1}
    images = read(path, finding="emphysema")
    assert images.classes == ("no Emphysema", "Emphysema")  # what is told comes last: positive
    assert images.labels.tolist() == [0, 1, 0]
    with pytest.raises(UsageError, match="hernia") as caught:
        read(path, finding="hernia")
    assert "Cardiomegaly, Emphysema and No Finding" in str(caught.value.hint)


def test_what_a_preset_says_can_be_overridden(tmp_path: Path, picture: Write) -> None:
    path = laid_out(FORMS["ham10000"], tmp_path, picture)
    images = read(path, preset="HAM10000", columns="class=localization,group=age")
    assert told(images) == {}
    assert images.classes == ("back", "scalp")
    assert set(images.groups or ()) == {"80.0"}


def test_a_form_that_is_not_there(tmp_path: Path, picture: Write) -> None:
    path = laid_out(FORMS["rsna"], tmp_path, picture)
    with pytest.raises(ImagesError, match="no column image_id") as caught:
        read(path, preset="ham10000")
    assert "patientId, x, y, width, height and Target" in str(caught.value.hint)
    with pytest.raises(UnknownTermError):
        read(path, preset="imagenet")
    path.write_text("patientId,class\n0004cfab,Normal\n", encoding="utf-8")
    with pytest.raises(ImagesError, match="no column file") as caught:
        read(path)  # could be anything, and is not taken for a form
    assert "--preset rsna" in str(caught.value.hint)
