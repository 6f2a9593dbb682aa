"""What stands outside of /api."""

COVERS = {"getHealth", "getReadiness", "getMetrics", "getOpenapi"}


def walk(site):
    for path in ("/healthz", "/readyz", "/metrics", "/openapi.json"):
        site.admin.get(path).expect(200)
