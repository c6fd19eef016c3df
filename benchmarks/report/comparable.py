"""Which runs meet in a table, and what is marked about them."""

import pandas as pd
from scipy import stats

from benchmarks.records.record import OK

# With the model, what distinguishes the rows of a table.
PLACEMENT = ["device_type", "devices", "num_nodes"]

_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def comparable(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of the newest protocol and data, the last of each model, placement and seed."""
    rows = rows.sort_values("finished_at", kind="stable")
    digests = rows[["protocol_digest", "data_digest"]]
    newest = (digests == digests.iloc[-1]).all(axis="columns")
    latest = rows[newest].drop_duplicates(["model", *PLACEMENT, "seed"], keep="last")
    return latest.sort_values(["model", *PLACEMENT, "seed"])


def annotated(current: pd.DataFrame) -> pd.DataFrame:
    """Runs of a table with what is marked about them, in further columns.

    `placement`: the devices in words. `mark`: see `marks`. `at_chance`: see `at_chance`.
    """
    own = {
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
    correct = stats.binomtest(round(accuracy * examples), int(examples))
    return correct.proportion_ci(0.95, method="wilson").low <= share
