import pytest

from r3d_jax.data.recordings import recordings


def of(*files, label="run"):
    return recordings([f"{label}/{file}" for file in files], [label] * len(files))


UCF101 = [f"v_Punch_g{group:02d}_c{cut:02d}.avi" for group in (1, 2, 3) for cut in range(1, 5)]
ARID = [f"Jump_11_{cut}.mp4" for cut in (1, 10, 11, 12, 14, 2, 3, 9)] + ["Jump_8_1.mp4"]
HMDB51 = [f"April_09_brush_hair_u_nm_np{k}_ba_goo_{cut}.avi" for k in (1, 2) for cut in (0, 1, 2)]
DIVING48 = [f"{video}_{cut:05d}.mp4" for video in ("_8Vy3dlHg2w", "2x00lRzlTVQ", "ZkQZ3dPp1Xc") for cut in (0, 1, 2)]
KINETICS = [f"dQw4w9WgXcQ_{start:06d}_{start + 10:06d}.mp4" for start in (0, 12, 40)]
KINETICS += [f"a1b2c3d4e5F_{start:06d}_{start + 10:06d}.mp4" for start in (7, 90)]


@pytest.mark.parametrize(
    "files, stems",
    [
        (UCF101, {"v_Punch_g01", "v_Punch_g02", "v_Punch_g03"}),
        (ARID, {"Jump_11", "Jump_8"}),
        (["Jump_1_1.mp4", "Jump_1_2.mp4", "Jump_11_1.mp4", "Jump_11_2.mp4"], {"Jump_1", "Jump_11"}),
        (HMDB51, {"April_09_brush_hair_u_nm_np1_ba_goo", "April_09_brush_hair_u_nm_np2_ba_goo"}),
        (DIVING48, {"_8Vy3dlHg2w", "2x00lRzlTVQ", "ZkQZ3dPp1Xc"}),
        (KINETICS, {"dQw4w9WgXcQ", "a1b2c3d4e5F"}),
        (["match1 part 1.mp4", "match1 part 2.mp4", "match2 part 1.mp4", "match2 part 2.mp4"], {"match1", "match2"}),
        (["2021-05-01 clip (1).mp4", "2021-05-01 clip (2).mp4", "2021-05-02 clip (1).mp4"], None),
        (["take 1/1.avi", "take 1/2.avi", "take 2/1.avi", "take 2/2.avi"], {"take 1", "take 2"}),
        ([f"{name}_{i}.mp4" for name in ("anna", "bob", "c") for i in (1, 2)], {"anna", "bob", "c"}),
        (["S1C1.mp4", "S1C2.mp4", "S2C1.mp4", "S2C2.mp4"], {"S1", "S2"}),
    ],
)
def test_running_numbers_after_several_stems_are_cuts_of_recordings(files, stems):
    found = of(*files)
    assert set(found) == (stems or {"2021-05-01", "2021-05-02"})
    assert all(file.startswith(stem) for file, stem in zip(files, found))


@pytest.mark.parametrize(
    "files",
    [
        [f"video_{i:03d}.mp4" for i in range(1, 60)],  # one stem for all of a class
        [f"{i}.mp4" for i in range(9)],
        [f"run{i}.avi" for i in range(9)],
        [f"clip_{i}.avi" for i in range(9)],
        ["IMG_1201.MOV", "IMG_1202.MOV", "IMG_1203.MOV", "MVI_0001.MOV", "MVI_0002.MOV"],  # two cameras
        [f"{name}_{i}.mp4" for name, count in (("a", 7), ("b", 2), ("c", 2)) for i in range(count)],  # mostly of one
        [f"2021-05-{day:02d}.mp4" for day in range(1, 20)] + ["2021-06-01.mp4", "2021-06-02.mp4"],
        [f"VID_20210501_12{i:02d}33.mp4" for i in range(9)] + [f"VID_20210502_12{i:02d}33.mp4" for i in range(9)],
        ["dQw4w9WgXcQ_000012_000022.mp4", "a1b2c3d4e5F_000001_000011.mp4", "xyz_000005_000015.mp4"],
        ["goal.mp4", "save.mp4", "foul_1.mp4", "foul_2.mp4", "corner.mp4"],  # a few of many
        [f"person{i:02d}_walking_d1_uncomp.avi" for i in range(1, 9)],
        [f"GH01{i:04d}.MP4" for i in range(9)],
    ],
)
def test_other_names_are_left_alone(files):
    assert of(*files) == [""] * len(files)


def test_each_class_is_looked_at_by_itself_and_a_stem_is_one_recording_in_all():
    names = ["run/rec1_1.mp4", "run/rec1_2.mp4", "run/rec2_1.mp4", "run/rec2_2.mp4"]
    others = ["sit/rec1_7.mp4", "sit/rec1_8.mp4", "sit/rec3_1.mp4", "jump/1.mp4", "jump/2.mp4"]
    labels = [name.split("/")[0] for name in names + others]
    found = recordings(names + others, labels)
    assert found == ["rec1", "rec1", "rec2", "rec2", "rec1", "rec1", "rec3", "", ""]


def test_folders_that_a_table_names_and_that_all_share_tell_nothing():
    names = [f"data1/clips/{i}.mp4" for i in range(8)]
    assert recordings(names, ["run"] * 4 + ["sit"] * 4) == [""] * 8


def test_all_of_ucf101_is_cut_from_recordings():
    names = [f"C{label}/v_C{label}_g{g:02d}_c{c:02d}.avi" for label in range(101) for g in range(1, 26) for c in (1, 2)]
    assert len(set(recordings(names, [name.split("/")[0] for name in names]))) == 101 * 25
