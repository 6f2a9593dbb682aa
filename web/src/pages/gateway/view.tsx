// For staff: what the gateway serves, how much of it, and what is captured.
import { useMemo } from 'react';
import { call, listAll } from '../../core/api';
import { useLoad } from '../../core/load';
import type { GatewayRoute } from '../../core/openapi';
import { Link, useQuery } from '../../core/route';
import { bytes, count, exact } from '../../core/time';
import { instanceLook } from '../../core/words';
import { Icon } from '../../kit/icon';
import { Mark } from '../../kit/mark';
import { Empty, Notice, Trouble } from '../../kit/notice';
import { Plot } from '../../kit/plot';
import { Search } from '../../kit/search';
import { finder, plural } from '../../kit/text';
import { Captures, StartCapture } from './captures';
import './style.css';

const SOON_MS = 14 * 86_400_000;

/** Those that end soon or fail; all of them have a page of their own. */
function Certificates() {
  const { value } = useLoad(() => call<'listCertificates'>('/admin/certificates'), { every: 60_000 });
  if (!value || value.items.length === 0) return null;
  const bad = value.items.filter((one) => one.state === 'failing' || (one.not_after !== null && Date.parse(one.not_after) - Date.now() < SOON_MS));
  const [first] = [...value.items].filter((one) => one.not_after).sort((a, b) => (a.not_after ?? '').localeCompare(b.not_after ?? ''));
  const ends = first?.not_after ? <> The first to end is {first.id}, {exact(first.not_after)}.</> : null;
  return (
    <Notice tone={bad.length > 0 ? 'bad' : 'plain'}>
      {plural(value.items.length, 'certificate')}{bad.length > 0 ? `, ${bad.length} of them failing or about to end` : ''}.{ends} <Link to="/certificates">All certificates</Link>
    </Notice>
  );
}

function Plots({ instance, name }: { instance: string; name: string }) {
  const { value } = useLoad(() => call<'listGatewayTraffic'>(`/admin/gateway/traffic${instance ? `?${new URLSearchParams({ instance })}` : ''}`), { key: instance, every: 5000 });
  const drawn = useMemo(() => {
    const points = value?.items ?? [];
    return {
      at: points.map((point) => Date.parse(point.at) / 1000),
      flow: [
        { name: 'To players', tone: 'accent' as const, fill: true, values: points.map((point) => point.bytes_out) },
        { name: 'From players', tone: 'wait' as const, dash: [6, 3], values: points.map((point) => point.bytes_in) },
      ],
      connections: [
        { name: 'Open', tone: 'accent' as const, fill: true, values: points.map((point) => point.open) },
        { name: 'New each second', tone: 'good' as const, dash: [2, 3], values: points.map((point) => point.connections) },
      ],
    };
  }, [value]);
  if (value?.items.length === 0)
    return <p className="muted plots-none">{instance ? `${name} has had no traffic in the last ten minutes.` : 'The first plot is drawn in ten seconds.'}</p>;
  return (
    <div className="plots halves">
      <Plot label="Bytes each second" at={drawn.at} lines={drawn.flow} show={(value) => bytes(Math.round(value))} whole />
      <Plot label="Connections" at={drawn.at} lines={drawn.connections} show={count} whole />
    </div>
  );
}

const COLUMNS: { key: string; title: string; numeric?: boolean; of: (route: GatewayRoute) => string | number }[] = [
  { key: 'place', title: 'Where', of: (route) => route.place },
  { key: 'kind', title: 'Kind', of: (route) => route.kind },
  { key: 'what', title: 'Machine', of: (route) => `${route.template_name} ${route.owner_name}` },
  { key: 'state', title: 'State', of: (route) => route.state },
  { key: 'open', title: 'Open', numeric: true, of: (route) => route.open },
  { key: 'connections', title: 'Connections', numeric: true, of: (route) => route.connections },
  { key: 'in', title: 'In', numeric: true, of: (route) => route.bytes_in },
  { key: 'out', title: 'Out', numeric: true, of: (route) => route.bytes_out },
];

function compare(a: string | number, b: string | number): number {
  return typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b));
}

function Row({ route, chosen, choose, capturing, capture }: { route: GatewayRoute; chosen: boolean; choose: () => void; capturing: boolean; capture: () => void }) {
  const name = `${route.template_name} of ${route.owner_name}`;
  return (
    <tr className={capturing ? 'open' : ''} data-item>
      <td><span className="mono route-place" title={route.place}>{route.place}</span></td>
      <td>{route.kind}</td>
      <td><span className="route-machine" title={name}><button type="button" className="quiet route-name" aria-pressed={chosen} title={`${route.instance}: ${route.endpoint}, port ${route.machine_port} of ${route.machine}`} onClick={choose}><span>{route.template_name}</span></button><span className="muted">of {route.owner_name}</span></span></td>
      <td><Mark {...instanceLook(route.state)} /></td>
      <td className="number">{count(route.open)}</td>
      <td className="number">{count(route.connections)}</td>
      <td className="number">{bytes(route.bytes_in)}</td>
      <td className="number">{bytes(route.bytes_out)}</td>
      <td className="act"><button type="button" className="quiet" aria-expanded={capturing} aria-label={`Capture packets of ${name}`} onClick={capture}>Capture</button></td>
    </tr>
  );
}

function Routes({ routes, chosen, choose }: { routes: GatewayRoute[]; chosen: string; choose: (instance: string) => void }) {
  const [filter, setFilter] = useQuery('q');
  const [sort, setSort] = useQuery('sort', '-open');
  const [capturing, setCapturing] = useQuery('capture');
  const asked = routes.find((route) => route.instance === capturing);
  const fits = finder(filter);
  const down = sort.startsWith('-');
  const column = COLUMNS.find((one) => one.key === sort.replace(/^-/, ''));
  const rows = routes.filter((route) => fits(`${route.place} ${route.kind} ${route.template_name} ${route.template} ${route.owner_name} ${route.state} ${route.instance}`));
  if (column) rows.sort((a, b) => (down ? -1 : 1) * compare(column.of(a), column.of(b)));
  return (
    <section aria-labelledby="routes-title">
      <div className="section-head">
        <h2 id="routes-title">Routes</h2><span className="muted count">{rows.length}</span>
        {chosen && <button type="button" onClick={() => choose('')} aria-label="Plot all machines again">One machine is plotted <Icon name="close" /></button>}
        <span className="spring" />
        <Search value={filter} set={setFilter} placeholder="Host, port, template, owner" label="Find a route" />
      </div>
      {asked && (
        <div className="capture-panel">
          <h3>Capture packets of {asked.template_name} of {asked.owner_name}</h3>
          <StartCapture key={asked.instance} instance={asked.instance} name={`${asked.template_name} of ${asked.owner_name}`} close={() => setCapturing('')} />
        </div>
      )}
      {rows.length === 0 ? <Empty title={filter ? `Nothing matches “${filter}”` : 'There are no routes'}>{filter ? 'Hosts, kinds, templates, owners and states are searched.' : 'Routes appear here with the first machine that runs.'}</Empty> : (
        <div className="table-frame">
          <table>
            <thead>
              <tr>
                {COLUMNS.map((one) => (
                  <th key={one.key} className={one.numeric ? 'number' : ''} aria-sort={one === column ? (down ? 'descending' : 'ascending') : 'none'}>
                    <button type="button" onClick={() => setSort(one === column ? (down ? one.key : `-${one.key}`) : one.numeric ? `-${one.key}` : one.key)}>{one.title}<span aria-hidden="true" className="arrow">{one === column ? (down ? '↓' : '↑') : ''}</span></button>
                  </th>
                ))}
                <th><span className="offscreen">Action</span></th>
              </tr>
            </thead>
            <tbody>
              {rows.map((route) => {
                const key = `${route.instance}/${route.endpoint}`;
                return <Row key={key} route={route} chosen={chosen === route.instance} choose={() => choose(chosen === route.instance ? '' : route.instance)} capturing={capturing === route.instance} capture={() => setCapturing(capturing === route.instance ? '' : route.instance)} />;
              })}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

export default function GatewayPage() {
  const { value, trouble } = useLoad(() => listAll<'listGatewayRoutes'>('/admin/gateway/routes?limit=500'), { every: 3000 });
  const [chosen, choose] = useQuery('instance');
  const one = value?.find((route) => route.instance === chosen);
  return (
    <section className="gateway" aria-labelledby="gateway-title">
      <div className="section-head"><h1 id="gateway-title">Gateway</h1><span className="muted">{one ? `${one.template_name} of ${one.owner_name}, the last ten minutes` : 'All machines, the last hour'}</span></div>
      <Trouble text={trouble} />
      <Plots instance={chosen} name={one ? one.template_name : 'It'} />
      <Certificates />
      {value && <Routes routes={value} chosen={chosen} choose={choose} />}
      <Captures />
    </section>
  );
}
