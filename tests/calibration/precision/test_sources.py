"""Where accuracies and costs come from: tables of sensitivities, networks on file, times, bits."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator.calibration.precision.prices import Times, bits, by_bits
from simulator.calibration.precision.sensitivities import read_sensitivities
from simulator.errors import ScenarioError

LOSSES = "layer,precision,accuracy_loss\na,int8,0.01\na,int4,0.04\nb,int8,-0.002\n"
LEFT = "layer,precision,accuracy,weights\na,fp32,0.9,10\na,int8,0.89,10\nb,int4,0.8,20\n"


def written(folder: Path, text: str, name: str = "rows.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_losses_add_up(tmp_path: Path) -> None:
    table = read_sensitivities(written(tmp_path, LOSSES), reference_accuracy=0.9)
    assert table.layers == ("a", "b")
    assert table.precisions("a") == ("int8", "int4")
    assert table(("int4", "int8")) == pytest.approx(0.862)
    assert table(("fp32", "fp32")) == 0.9


def test_accuracies_become_losses(tmp_path: Path) -> None:
    table = read_sensitivities(written(tmp_path, LEFT))
    assert table.reference_accuracy == 0.9
    assert table(("int8", "int4")) == pytest.approx(0.79)
    assert table.weights == {"a": 10, "b": 20}
    assert read_sensitivities(written(tmp_path, LEFT), reference_accuracy=0.95).reference_accuracy == 0.95


def test_the_identity_follows_the_figures(tmp_path: Path) -> None:
    one = read_sensitivities(written(tmp_path, LEFT)).identity
    assert read_sensitivities(written(tmp_path, LEFT + "\n")).identity == one
    assert read_sensitivities(written(tmp_path, LEFT.replace("0.89", "0.88"))).identity != one


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ":1: column `layer` is missing"),
        ("layer,precision\na,int8\n", "needs a column `accuracy_loss` or"),
        ("layer,precision,accuracy,accuracy_loss\n", "one of them"),
        ("layer,precision,accuracy_loss,layer\n", "`layer` is given twice"),
        ("layer,precision,accuracy_loss\n", "has no rows"),
        ("layer,precision,accuracy_loss\na,int8\n", ":2: has 2 cells, the header has 3"),
        ("layer,precision,accuracy_loss\na,int8,x\n", ":2: accuracy_loss: must be a finite number, got 'x'"),
        ("layer,precision,accuracy_loss\na,int8,nan\n", "must be a finite number"),
        ("layer,precision,accuracy_loss\n,int8,0\n", "must not be empty"),
        ("layer,precision,accuracy_loss\na,int8,0\na,int8,0\n", ":3: a at int8 is there already, in line 2"),
        ("layer,precision,accuracy_loss\na,int8,0\n", "give --reference-accuracy"),
        ("layer,precision,accuracy_loss\na,fp32,0.1\n", "the reference fp32 loses nothing"),
        ("layer,precision,accuracy\na,fp32,0.9\nb,fp32,0.8\n", ":3: accuracy: rows of the reference fp32 must agree"),
        ("layer,precision,accuracy,weights\na,fp32,0.9,0\n", "weights: must be a whole number"),
        ("layer,precision,accuracy,weights\na,fp32,0.9,5\na,int8,0.9,6\n", "layer a had 5 weights before"),
        ('layer,precision,accuracy\n"a,int8,0.9\n', "is not a csv file"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        read_sensitivities(written(tmp_path, text))
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


TIMES = "layer,precision,batch,seconds\na,fp32,1,0.002\na,fp32,4,0.004\na,int8,1,0.003\na,int8,4,0.0035\n"


def test_times_depend_on_the_batch(tmp_path: Path) -> None:
    times = Times.read(written(tmp_path, TIMES))
    assert times.precisions("a") == ("fp32", "int8")
    single, beyond = times.problem({"a": ("fp32", "int8")}, 1)
    assert (single.costs, beyond) == (((0.002, 0.003),), 0)
    assert single.faster()[1] == (("a", "int8"),)
    full, beyond = times.problem({"a": ("fp32", "int8")}, 8)
    assert full.faster()[1] == ()
    assert beyond == 2


def test_times_of_a_costs_file(tmp_path: Path) -> None:
    costs = written(
        tmp_path,
        "version: 1\nkind: batch\ngroups:\n- group: {layer: a, precision: fp32}\n  law: affine\n"
        "  parameters: {a: 0.001, c: 0.002}\n",
        "costs.yaml",
    )
    assert Times.read(costs).problem({"a": ("fp32",)}, 3)[0].costs == ((0.007,),)


def test_products_are_priced_by_shape_and_dtype(tmp_path: Path) -> None:
    costs = written(
        tmp_path,
        "version: 1\nkind: gemm\ngroups:\n- group: {dtype: int8}\n  law: gemm-roofline\n"
        "  parameters: {launch_s: 1.0, peak_flops: 2.0, element_s: 0.0}\n",
        "costs.yaml",
    )
    times = Times.read(costs)
    assert times.problem({"a": ("int8",)}, 5, {"a": (3, 7)})[0].costs == ((1.0 + 5 * 3 * 7,),)
    with pytest.raises(ScenarioError, match="layer a is not known to be one"):
        times.problem({"a": ("int8",)}, 5)


def test_a_time_that_is_missing_is_told(tmp_path: Path) -> None:
    times = Times.read(written(tmp_path, TIMES))
    with pytest.raises(ScenarioError, match=r"rows.csv: precision: a at int4: no measured costs for 'int4'"):
        times.problem({"a": ("fp32", "int4")}, 1)


def test_the_device_is_chosen(tmp_path: Path) -> None:
    text = "layer,device,precision,batch,seconds\na,x,fp32,1,0.1\na,y,fp32,1,0.2\n"
    path = written(tmp_path, text)
    assert Times.read(path, "y").problem({"a": ("fp32",)}, 1)[0].costs == ((0.2,),)
    with pytest.raises(ScenarioError, match="name device too"):
        Times.read(path).problem({"a": ("fp32",)}, 1)


def test_bits() -> None:
    assert by_bits({"a": ("fp32", "int3"), "b": ("fp16", "w5a8")}, {"a": 2, "b": 3}).costs == (
        (64.0, 6.0),
        (48.0, 15.0),
    )
    with pytest.raises(ScenarioError, match="how many bits has 'odd'"):
        bits("odd")
