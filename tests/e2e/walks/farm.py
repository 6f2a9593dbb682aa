"""The flag farm on a server that has none; with one, test_farm*.py walk it."""

COVERS = {
    "getFarmStats", "getFarmSeries", "getFarmConfig", "putFarmConfig", "listFarmTeams", "getFarmAttackData",
    "getFarmAttackDataRaw", "legacyFarmConfig", "legacyPostFlags", "postFarmFlags", "listFarmFlags",
    "pasteFarmFlags", "getFarmFlag", "leaseFarmFlags", "extendFarmLease", "reportFarmVerdicts",
}


def walk(site):
    for name in sorted(COVERS):
        method, path = site.contract.operations()[name]
        for parameter, value in (("{id}", "1"), ("{lease}", "nothing"), ("{part}", "raw")):
            path = path.replace(parameter, value)
        site.admin.call(method, path, {"lease": "nothing", "flags": [], "text": ""} if method != "GET" else None).expect(404, "farm-off")
