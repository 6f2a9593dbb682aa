// The wire to a machine's screen: RFB in binary frames (api/paths/desktop.yaml). The server signs in to the machine, and the
// close frame says why it is over.
import { call } from '../../core/api';

/** An open way needs a grant, which is used up by it. Fails as a call of the API does. */
export async function openScreen(instance: string, machine: string, watch: boolean): Promise<WebSocket> {
  const path = `/instances/${encodeURIComponent(instance)}`;
  const body = { kind: 'desktop', machine, right: watch ? 'watch' : 'control' };
  const { grant } = await call<'openGrant'>(`${path}/grants`, { method: 'POST', body });
  const query = new URLSearchParams({ grant, ...(watch ? { watch: '1' } : {}) });
  const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
  const socket = new WebSocket(`${scheme}://${location.host}/api/v1${path}/desktop?${query}`);
  socket.binaryType = 'arraybuffer';
  return socket;
}

const REASONS: Record<string, string> = {
  'desktop-ended': 'The machine has ended the desktop. It may be stopping, or its screen is starting anew.',
  'thrown-out': 'This session was ended: by the machine’s owner or staff, or with the machine.',
  'desktop-silent': 'Nothing answers where the machine’s desktop should be.',
  'desktop-password': 'The desktop does not take the password that the template says. Whoever wrote the template can mend that.',
  'desktop-foreign': 'What answers in the machine is no desktop that can be shown here.',
  'desktop-lost': 'The machine has closed its desktop.',
};

/** Why it is over, for people; `reason` is the close frame's. */
export function wordsFor(reason: string): string {
  return REASONS[reason] ?? 'The connection was lost. What runs on the desktop goes on.';
}
