"""The tasks of a run, by the names that they have in its hash."""

from enum import Enum

_UPPER = {"wepp", "dem", "rap", "ts", "sbs", "omni", "dss", "rhem", "rusle", "polaris", "watar", "ce"}
_EMOJI = {"rmtree": "🧹", "project": "🌱", "set": "📌", "build": "🔧", "find": "🔎", "abstract": "🗺", "run": "▶️",
          "fetch": "📥", "landuse": "🗺", "init": "🌱", "dss": "📤"}


class TaskEnum(Enum):
    """A member's value is the name in the field `timestamps:<name>`."""

    if_exists_rmtree = "rmtree"
    project_init = "project_init"
    set_outlet = "set_outlet"
    abstract_watershed = "abstract_watershed"
    build_channels = "build_channels"
    find_outlet = "find_outlet"
    build_subcatchments = "build_subcatchments"
    build_landuse = "build_landuse"
    build_treatments = "build_treatments"
    build_rangeland_cover = "build_rangeland_cover"
    build_soils = "build_soils"
    build_climate = "build_climate"
    fetch_rap_ts = "build_rap_ts"
    fetch_openet_ts = "build_openet_ts"
    fetch_polaris = "build_polaris"
    run_wepp = "run_wepp"
    run_wepp_hillslopes = "run_wepp_hillslopes"
    run_wepp_watershed = "run_wepp_watershed"
    run_observed = "run_observed"
    run_debris = "run_debris"
    run_roads = "run_roads"
    run_watar = "run_watar"
    run_rhem = "run_rhem"
    fetch_dem = "fetch_dem"
    landuse_map = "landuse_map"
    init_sbs_map = "init_sbs_map"
    run_omni_scenarios = "run_omni_scenarios"
    run_omni_contrasts = "run_omni_contrasts"
    dss_export = "dss_export"
    run_features_export = "run_features_export"
    build_rusle = "build_rusle"
    set_readonly = "set_readonly"
    run_path_cost_effective = "run_path_ce"

    def __str__(self) -> str:
        return self.value

    def label(self) -> str:
        """A name for people."""
        return " ".join(word.upper() if word in _UPPER else word.capitalize() for word in self.value.split("_"))

    def emoji(self) -> str:
        """A sign for people: one for each kind of task."""
        return _EMOJI.get(self.value.split("_")[0], "•")
