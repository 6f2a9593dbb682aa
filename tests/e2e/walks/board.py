"""The board of jobs: what a fresh server has, and every action on what is not there."""

COVERS = {
    "listJobs", "listJobKinds", "listJobMinutes", "getJob", "cancelJob", "retryJob", "runJobNow",
    "pauseJobKind", "resumeJobKind",
}


def walk(site):
    admin = site.admin
    kinds = admin.get("/admin/jobs/kinds").expect(200).json["items"]
    assert "jobs" in [kind["name"] for kind in kinds]
    for state in ("waiting", "running", "failed", "done"):
        admin.get("/admin/jobs", query={"state": state, "limit": 5}).expect(200)
    admin.get("/admin/jobs", query={"state": "lost"}).expect(400, "invalid-query")
    admin.get("/admin/jobs/minutes").expect(200)
    admin.get("/admin/jobs/minutes", query={"kind": "no-such"}).expect(404, "kind-unknown")
    admin.get("/admin/jobs/17").expect(404, "job-unknown")
    for verb in ("cancel", "retry", "run-now"):
        admin.post(f"/admin/jobs/17/{verb}").expect(404, "job-unknown")
    assert admin.post("/admin/jobs/kinds/jobs/pause").expect(200).json["paused"] is True
    assert admin.post("/admin/jobs/kinds/jobs/resume").expect(200).json["paused"] is False
    admin.post("/admin/jobs/kinds/no-such/pause").expect(404, "kind-unknown")
