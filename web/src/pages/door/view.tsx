// On the way to a machine that is its owner's alone: by way of this page the session's cookie goes along, from whatever site
// the visitor has come, and who is not signed in signs in first.
import { useEffect } from 'react';

export default function DoorPage() {
  useEffect(() => { location.replace(`/api/v1/door${location.search}`); }, []);
  return <p className="muted" role="status">Opening…</p>;
}
