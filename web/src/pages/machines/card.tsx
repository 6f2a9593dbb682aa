import { useState } from 'react';
import { dismiss, extend, start, stop, undoStop } from '../../core/actions';
import { LeaseLine, Left, Progress, useSeconds, When } from '../../core/clock';
import { call } from '../../core/api';
import { useLoad } from '../../core/load';
import type { Endpoint, Instance } from '../../core/openapi';
import { go, Link } from '../../core/route';
import { isAsked } from '../../core/state';
import { wayTo } from '../../core/door';
import { useStore } from '../../core/store';
import { countdown, duration, exact } from '../../core/time';
import { endWords, firstLine, instanceLook, lookOf } from '../../core/words';
import { CopyButton } from '../../kit/copy';
import { Icon } from '../../kit/icon';
import { Mark } from '../../kit/mark';
import { plural, sentence } from '../../kit/text';
import { DoorSection } from './door';
import { Logs } from './logs';
import { QueueWait } from './queue';
import { stepWords } from './words';

function commandsTo(endpoint: Endpoint): [string, string][] {
  if (endpoint.kind === 'tcp') return [['nc', `nc ${endpoint.host} ${endpoint.port}`]];
  if (endpoint.kind === 'udp') return [['nc', `nc -u ${endpoint.host} ${endpoint.port}`]];
  if (endpoint.kind !== 'tls') return [];
  const { host, port } = endpoint;
  return [['ncat', `ncat --ssl ${host} ${port}`], ['openssl', `openssl s_client -quiet -connect ${host}:${port} -servername ${host}`]];
}

function EndpointLine({ endpoint, alone }: { endpoint: Endpoint; alone: boolean }) {
  const address = endpoint.kind === 'http' ? endpoint.url : `${endpoint.host}:${endpoint.port}`;
  const shown = endpoint.kind === 'http' ? endpoint.url.replace(/^https?:\/\//, '').replace(/\/$/, '') : address;
  return (
    <li className="endpoint">
      <span className="endpoint-name" title={endpoint.name}>{alone ? endpoint.kind : endpoint.name}</span>
      {endpoint.kind === 'http'
        ? <a className="mono" href={wayTo(endpoint)} target="_blank" rel="noopener noreferrer" title={address}>{shown}</a>
        : <span className="mono" title={address}>{shown}</span>}
      {endpoint.door !== 'open' && <span className="muted" title="The gateway lets you and your team in, and nobody else">yours alone</span>}
      <span className="endpoint-tools">
        {commandsTo(endpoint).map(([label, command]) => <CopyButton key={label} text={command} what={`the command: ${command}`} label={label} />)}
        <CopyButton text={address} what={`the address of ${endpoint.name}`} />
      </span>
    </li>
  );
}

function ExtendButton({ instance }: { instance: Instance }) {
  const now = useSeconds();
  if (!instance.expires_at) return null;
  const by = duration(instance.extend_s * 1000);
  if (instance.extendable_at === null) {
    return <button type="button" aria-disabled="true" onClick={() => void extend(instance)} title="This machine cannot be extended any more">No more time</button>;
  }
  const wait = Date.parse(instance.extendable_at) - now;
  if (wait > 0) {
    return (
      <button type="button" aria-disabled="true" onClick={() => void extend(instance)} title={`By ${by}, from ${exact(instance.extendable_at)} on`}>
        Extend in <span className="tick">{countdown(wait)}</span>
      </button>
    );
  }
  return <button type="button" onClick={() => void extend(instance)} title="Key: e">Extend {by}</button>;
}

/** Its names of people's own, and the way to one where the server gives any. */
function Names({ instance }: { instance: Instance }) {
  const { value } = useLoad(() => call<'listNames'>('/names'), { key: instance.id });
  if (!value || (!value.offers.free_domain && !value.offers.own_domains)) return null;
  const names = value.items.filter((one) => one.instance === instance.id && one.state === 'held');
  return (
    <p>
      {names.map((one) => <span key={one.id}><a className="mono" href={one.url} target="_blank" rel="noopener noreferrer">{one.name}</a>{' · '}</span>)}
      <Link to={`/names?instance=${encodeURIComponent(instance.id)}`}>Give it a name of your own</Link>
    </p>
  );
}

function Details({ instance }: { instance: Instance }) {
  const { features } = useStore();
  // What was told to somebody who waited is not a part of the start.
  const timings = Object.entries(instance.timings_ms)
    .filter((entry): entry is [string, number] => entry[1] !== null && entry[1] !== undefined && entry[0] !== 'queue_estimate');
  return (
    <div className="details">
      <dl>
        <div><dt>Id</dt><dd className="mono">{instance.id} <CopyButton text={instance.id} what="the id" /></dd></div>
        {instance.started_at && <div><dt>Running since</dt><dd><When at={instance.started_at} /></dd></div>}
        {instance.machines.map((machine) => (
          <div key={machine.name}><dt>{machine.name}</dt><dd>{machine.state}{machine.health && machine.health !== 'none' ? `, ${machine.health}` : ''}</dd></div>
        ))}
        {timings.length > 0 && (
          <div><dt>Start took</dt><dd>{timings.map(([step, ms]) => `${step} ${duration(ms)}`).join(' · ')}</dd></div>
        )}
      </dl>
      {(instance.state === 'running' || instance.state === 'paused') && features !== null && features.names !== false && <Names instance={instance} />}
      {(instance.state === 'running' || instance.state === 'paused') && features !== null && features?.snapshots !== false && <p><Link to={`/snapshots/${instance.id}`}>Keep its files as they are, or go back</Link></p>}
      {instance.recorded.length > 0 && <p><Link to={`/recordings?instance=${instance.id}`}>What its terminals showed is recorded</Link></p>}
      {(instance.state === 'running' || instance.state === 'paused') && <DoorSection instance={instance} />}
      {instance.state === 'running' && !instance.unreachable && <Logs instance={instance} />}
    </div>
  );
}

function Body({ instance }: { instance: Instance }) {
  const { heard } = useStore();
  if (instance.unreachable) {
    return (
      <p className="card-text" role="status">
        {sentence(instance.unreachable)} It is kept as it is, its time goes on, and it can be used again as soon as its engine answers.
      </p>
    );
  }
  if (instance.state === 'queued') return <QueueWait instance={instance} />;
  if (instance.state === 'preparing' || instance.state === 'starting') {
    const progress = instance.progress;
    return (
      <Progress
        label={stepWords(progress?.step ?? '')} done={progress?.done ?? 0} total={progress?.total ?? 0}
        elapsedMs={progress?.elapsed_ms ?? 0} usualMs={progress?.expected_ms ?? null} heardAt={heard[instance.id] ?? 0}
      />
    );
  }
  if (instance.state === 'stopping') return <p className="card-text muted">Machines, network and files are being removed.</p>;
  if (instance.state === 'paused') return <p className="card-text muted">It sleeps because nobody used it; it wakes when you connect. Its time goes on.</p>;
  return null;
}

/** A machine that lives or is on its way. */
export function MachineCard({ instance }: { instance: Instance }) {
  const { stopping, features, templates } = useStore();
  const [detailed, setDetailed] = useState(false);
  const undoable = stopping[instance.id] !== undefined;
  const look = lookOf(instance, undoable);
  const running = instance.state === 'running' || instance.state === 'paused';
  const reached = running && !instance.unreachable;
  const page = instance.endpoints.find((endpoint) => endpoint.kind === 'http');
  return (
    <article
      className={`card ${look.tone} ${detailed ? 'wide' : ''}`} data-item={instance.template} data-instance={instance.id} data-template={instance.template} data-state={instance.state}
      tabIndex={-1} aria-label={`${instance.template_name}, ${look.word.toLowerCase()}`}
    >
      <header>
        <h3>{instance.template_name}</h3>
        <Mark {...look} />
        <span className="spring" />
        {instance.expires_at && running && !undoable && <Left until={instance.expires_at} />}
      </header>
      {undoable ? <p className="card-text">It is destroyed in a moment. Nothing has happened yet.</p> : <Body instance={instance} />}
      {reached && instance.endpoints.length > 0 && (
        <ul className="endpoints">
          {instance.endpoints.map((endpoint) => <EndpointLine key={endpoint.name} endpoint={endpoint} alone={instance.endpoints.length === 1} />)}
        </ul>
      )}
      {running && instance.credentials && (
        <p className="credentials">
          <span className="endpoint-name">login</span>
          <span className="mono">{instance.credentials.user}</span><CopyButton text={instance.credentials.user} what="the user name" />
          <span className="mono">{instance.credentials.password}</span><CopyButton text={instance.credentials.password} what="the password" />
        </p>
      )}
      {!isAsked(instance) && (
        <footer>
          {undoable ? (
            <button type="button" className="primary" onClick={() => undoStop(instance.id)} title="Key: u"><Icon name="undo" />Undo</button>
          ) : (
            <>
              {reached && page?.kind === 'http' && (
                <a className="button primary" href={wayTo(page)} target="_blank" rel="noopener noreferrer" title="Key: Enter"><Icon name="open" />Open</a>
              )}
              {reached && <button type="button" onClick={() => go(`/terminal/${instance.id}`)} aria-label={`Terminal in ${instance.template_name}`} title="A shell in the machine. Key: t">Terminal</button>}
              {reached && templates[instance.template]?.desktop && features?.desktop === true && <button type="button" onClick={() => go(`/desktop/${instance.id}`)} aria-label={`Desktop of ${instance.template_name}`} title="The machine's screen. Key: d">Desktop</button>}
              {reached && features?.ports !== false && features !== null && <button type="button" onClick={() => go(`/ports/${instance.id}`)} aria-label={`Ports of ${instance.template_name}`} title="Which of its ports listen, and opening one">Ports</button>}
              {reached && features?.transfers !== false && features !== null && <button type="button" onClick={() => go(`/files/${instance.id}`)} aria-label={`Files of ${instance.template_name}`} title="Its files: fetching them and sending some">Files</button>}
              {running && <ExtendButton instance={instance} />}
              {instance.state !== 'stopping' && (
                <button type="button" onClick={() => stop(instance)} title={`Destroys ${plural(instance.machines.length || 1, 'machine')}, network and files. Key: s`}>
                  {running ? 'Stop' : 'Cancel'}
                </button>
              )}
              <span className="spring" />
              <button
                type="button" className="icon-button details-button" aria-expanded={detailed} onClick={() => setDetailed(!detailed)}
                aria-label={`Details of ${instance.template_name}`} title="Details and output"
              >
                <Icon name="down" />
              </button>
            </>
          )}
        </footer>
      )}
      {detailed && !undoable && <Details instance={instance} />}
      {instance.expires_at && running && <LeaseLine from={instance.started_at ?? instance.created_at} until={instance.expires_at} />}
    </article>
  );
}

/** A machine that has ended: a failure says what happened, what was undone and what to do; the rest is one line. */
export function EndedCard({ instance }: { instance: Instance }) {
  const { templates } = useStore();
  const failed = instance.state === 'failed';
  const look = instanceLook(instance.state);
  const startable = templates[instance.template]?.state === 'ready';
  return (
    <article
      className={failed ? `card ${look.tone}` : 'ended'} data-item={instance.template} data-template={instance.template} data-instance={instance.id} data-state={instance.state}
      tabIndex={-1} aria-label={`${instance.template_name}, ${look.word.toLowerCase()}`}
    >
      <header>
        <h3>{instance.template_name}</h3>
        <Mark {...look} />
        {!failed && <span className="muted ended-why">{endWords(instance)}{instance.ended_at && <>, <When at={instance.ended_at} /></>}</span>}
        <span className="spring" />
        {failed && instance.ended_at && <span className="muted"><When at={instance.ended_at} /></span>}
        {!failed && startable && <button type="button" className="quiet" onClick={() => void start(instance.template)}>Start again</button>}
        <button type="button" className="icon-button" onClick={() => dismiss(instance)} aria-label={`Put ${instance.template_name} away`} title="Put away"><Icon name="close" /></button>
      </header>
      {failed && (
        <>
          <p className="card-text">{instance.reason?.text ? sentence(firstLine(instance.reason.text)) : endWords(instance)}</p>
          {instance.reason?.text.includes('\n') && <pre className="last-words">{instance.reason.text.slice(instance.reason.text.indexOf('\n') + 1)}</pre>}
          <p className="card-text muted">Everything that was made for it has been removed; nothing counts against your limit.</p>
          <footer>
            {startable
              ? <button type="button" className="primary" onClick={() => void start(instance.template)}><Icon name="play" />Start again</button>
              : <span className="muted">It can be started again when the template is ready.</span>}
            {instance.reason && <CopyButton text={`${instance.id} ${instance.reason.code}: ${instance.reason.text}`} what="this for the staff" label="Copy for the staff" />}
          </footer>
        </>
      )}
    </article>
  );
}
