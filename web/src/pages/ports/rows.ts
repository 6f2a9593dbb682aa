// What is shown of ports: those that listen, and those that are open though nothing listens there.
import type { Endpoint, Ports } from '../../core/openapi';
import type { Look } from '../../kit/look';

export interface Row {
  machine: string;
  port: number;
  protocol: string;
  program: string;
  addresses: string[];
  look: Look;
  /** Why nobody reaches it, or what it waits for. */
  why: string;
  endpoint: Endpoint | null;
  name: string;
  /** It was opened, and can be closed. */
  closable: boolean;
  /** As what it can be opened; none, if it cannot. */
  kinds: string[];
}

const OPEN: Look = { word: 'Open', tone: 'good', shape: 'disc' };
const SILENT: Look = { word: 'Open, silent', tone: 'wait', shape: 'diamond' };
const LISTENS: Look = { word: 'Listens', tone: 'off', shape: 'square' };
const UNREACHABLE: Look = { word: 'Not reachable', tone: 'bad', shape: 'triangle' };

export function rowsOf(all: Ports): Row[] {
  const rows: Row[] = [];
  const listed = new Set<string>();
  for (const machine of all.machines) {
    for (const seen of machine.ports) {
      const open = all.open.find((one) => one.name === seen.endpoint);
      if (open) listed.add(open.name);
      rows.push({
        machine: machine.name, port: seen.port, protocol: seen.protocol, program: seen.program ?? '', addresses: seen.addresses,
        look: !seen.reachable ? UNREACHABLE : open ? OPEN : LISTENS, why: seen.why ?? '', endpoint: open?.endpoint ?? null, name: open?.name ?? '',
        closable: open?.opened ?? false, kinds: !open && seen.reachable && seen.allowed && all.policy.left > 0 ? all.policy.kinds.filter((kind) => (kind === 'udp') === (seen.protocol === 'udp')) : [],
      });
    }
  }
  for (const open of all.open) {
    if (listed.has(open.name)) continue;
    const machine = all.machines.find((one) => one.name === open.machine);
    rows.push({
      machine: open.machine, port: open.port, protocol: open.endpoint.kind === 'udp' ? 'udp' : 'tcp', program: '', addresses: [],
      look: machine?.seen ? SILENT : OPEN, why: machine?.seen ? 'Nothing listens there yet.' : '', endpoint: open.endpoint, name: open.name,
      closable: open.opened, kinds: [],
    });
  }
  return rows;
}

/** How one gets there, as a person would copy it. */
export const wayTo = (endpoint: Endpoint): string => ('url' in endpoint ? endpoint.url : `${endpoint.host}:${endpoint.port}`);

export function policyWords({ policy, open }: Ports): string {
  if (policy.why) return policy.why;
  const opened = open.filter((one) => one.opened).length;
  const ranges = policy.ranges.length > 0 ? `, of ${policy.ranges.map(([first, last]) => (first === last ? `${first}` : `${first} to ${last}`)).join(', ')}` : '';
  return `${opened} of ${policy.max} ports are open beside the machine's own; ${policy.left} more can be opened${ranges}.`;
}
