"""Which runs meet in a table, and what is marked about them."""

import pandas as pd

from benchmarks.analysis.intervals import wilson
from benchmarks.planning.variation import label
from benchmarks.records.record import OK

# What distinguishes the rows of a table, besides the value of a varied field.
PLACEMENT = ["device_type", "devices", "num_nodes"]
ROW = ["model", "varied_value", *PLACEMENT]

_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def comparable(rows: pd.DataFrame) -> pd.DataFrame:
    """Runs of the newest protocol and data, the last of each row of the table and each seed.

    The values of a varied field belong to one protocol.
    """
    rows = rows.sort_values("finished_at", kind="stable")
    digests = rows[["protocol_digest", "data_digest"]]
    newest = (digests == digests.iloc[-1]).all(axis="columns")
    latest = rows[newest].drop_duplicates([*ROW, "seed"], keep="last")
    return latest.sort_values([*ROW, "seed"], key=_order)


def values_in_order(values: pd.Series) -> list[int | float | str]:
    """The distinct values of a varied field: numbers by size, then `none`, then other words."""
    distinct = values.dropna().unique().tolist()
    return sorted(distinct, key=lambda value: (isinstance(value, str), value != "none", value))


def _order(column: pd.Series) -> pd.Series:
    if column.name != "varied_value":
        return column
    places = {value: place for place, value in enumerate(values_in_order(column))}
    return column.map(places)


def annotated(current: pd.DataFrame) -> pd.DataFrame:
    """Runs of a table with what is marked about them, in further columns.

    `label`: see `labels`. `placement`: the devices in words. `mark`: see `marks`. `at_chance`: see
    `at_chance`.
    """
    own = {
        "label": labels(current),
        "placement": placements(current),
        "mark": marks(current),
        "at_chance": at_chance(current),
    }
    return current.assign(**own)


def placements(rows: pd.DataFrame) -> pd.Series:
    """Devices of each run in words: `1 cuda`, `8 cpu`, `2 x 4 cuda` (two nodes of four)."""
    devices = rows["devices"].astype(str) + " " + rows["device_type"]
    return devices.where(rows["num_nodes"] == 1, rows["num_nodes"].astype(str) + " x " + devices)


def labels(rows: pd.DataFrame) -> pd.Series:
    """The model of each run, its devices where these differ, and its value of a varied field."""
    fields = rows["varied"].astype(object).where(rows["varied"].notna(), None)
    return pd.Series(map(label, nets(rows), fields, rows["varied_value"]), rows.index, dtype=object)


def nets(rows: pd.DataFrame) -> pd.Series:
    """The model of each run, and its devices where these differ between the runs."""
    places = placements(rows)
    return rows["model"] + (", " + places if places.nunique() > 1 else "")


def conditions(rows: pd.DataFrame) -> pd.DataFrame:
    """Machine, versions and commit of each run; under equal ones, speeds may be compared."""
    commit, timed_again = (rows[name].astype("string") for name in ("commit", "timed_again"))
    timed_at = timed_again.str.extract(r"commit (\S+)", expand=False)
    commit = commit.where(timed_at.isna(), commit + ", timed again at " + timed_at)
    libraries = ("torch", "lightning", "torchvision", "python")
    versions = {name: rows[f"{name}_version"] for name in libraries}
    found = {"device": _machines(rows), **versions, "commit": commit}
    return pd.DataFrame(found, index=rows.index, dtype=object).fillna("unknown")


def _machines(rows: pd.DataFrame) -> pd.Series:
    """The name of each run's device without the number of devices.

    On a CPU a device is a process, and the processes of a run divide the threads of the machine.
    """
    names = rows["device"].str.replace(r"^\d+ x ", "", regex=True)
    threads = names.str.extract(r", (\d+) threads$", expand=False).astype(float)
    total = (threads * rows["devices"]).map(", {:.0f} threads".format)
    return names.where(threads.isna(), names.str.replace(r", \d+ threads$", "", regex=True) + total)


def marks(rows: pd.DataFrame) -> pd.Series:
    """A sign for each run: empty for the conditions of most runs, a superscript for each other.

    Runs that failed have no sign. Of conditions that are as frequent, the newest have none.
    """
    done = rows[rows["status"] == OK]
    keys = pd.Series(
        list(conditions(done).itertuples(index=False, name=None)), done.index, dtype=object
    )
    found = pd.DataFrame({"conditions": keys, "finished_at": done["finished_at"]})
    ranks = found.groupby("conditions")["finished_at"].agg(["size", "max"])
    order = ranks.sort_values(["size", "max"], ascending=False).index
    signs = {key: str(n).translate(_SUPERSCRIPTS) if n else "" for n, key in enumerate(order)}
    return keys.map(signs).reindex(rows.index, fill_value="").astype(str)


def at_chance(rows: pd.DataFrame) -> pd.Series:
    """Whether each run is no better than a net that always gives the most frequent answer.

    So is a run whose accuracy has a 95 % interval (Wilson, 1927) that starts at or below the share
    of the most frequent class. In segmentation an image counts as one example, since its pixels are
    not independent. Records of earlier versions do not hold the share, and nothing is said of them.
    """
    accuracy = rows["test_accuracy"].fillna(rows["validation_accuracy"])
    columns = (accuracy, rows["evaluated_examples"], rows["majority_share"])
    return pd.Series(list(map(_is_at_chance, *columns)), rows.index, dtype=bool)


def _is_at_chance(accuracy: float, examples: float, share: float) -> bool:
    if pd.isna([accuracy, examples, share]).any():
        return False
    return wilson(accuracy, int(examples)).low <= share
