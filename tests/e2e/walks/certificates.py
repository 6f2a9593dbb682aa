"""Certificates where none is fetched: the list, what cannot be renewed, and a token that proves nothing."""

COVERS = {"listCertificates", "renewCertificate", "proveName"}


def walk(site):
    site.admin.get("/admin/certificates").expect(200)
    site.admin.post("/admin/certificates/site/renew").expect(409, "certificates-off")
    site.nobody().get("/.well-known/acme-challenge/no-such").expect(404, "proof-unknown")
