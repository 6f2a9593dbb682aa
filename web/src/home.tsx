import { useRef, useState, type FormEvent } from 'react';
import { call, Failure } from './api';
import { open, start, undoStop } from './actions';
import { EndedCard, MachineCard } from './machine';
import { Empty, Icon, Key, Mark, Notice, Progress } from './parts';
import { useQuery } from './route';
import { endedOnes, liveOf, liveOnes, search } from './state';
import { dispatch, toast, useStore } from './store';
import { duration } from './time';
import { instanceLook, plural, sentence, stepWords, templateLook } from './words';
import type { Me, Problem, Template } from './types';

export const isStaff = (me: Me): boolean => me.roles.some((role) => role === 'operator' || role === 'admin');
export const seesProblems = (me: Me): boolean => isStaff(me) || me.roles.includes('author');

/** After a one-time link there is no password yet, and the link works only once. */
function PasswordOffer({ me }: { me: Me }) {
  const [later, setLater] = useState(false);
  const [trouble, setTrouble] = useState('');
  const field = useRef<HTMLInputElement>(null);
  if (later || me.has_password || me.kind !== 'user') return null;
  const save = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    try {
      await call('/me/password', { method: 'PUT', body: { new: field.current?.value ?? '' } });
      dispatch({ type: 'signed-in', me: { ...me, has_password: true } });
      toast(`Password set. Next time sign in as ${me.name}.`);
    } catch (error) {
      setTrouble((error as Failure).message);
    }
  };
  return (
    <section className="offer" aria-labelledby="offer-title">
      <div>
        <h2 id="offer-title">Set a password to come back</h2>
        <p className="muted">The link that signed you in as <b>{me.name}</b> worked once and is used up.</p>
      </div>
      <form onSubmit={(event) => void save(event)}>
        <input type="text" name="username" autoComplete="username" value={me.name} readOnly hidden />
        <input ref={field} type="password" name="new-password" autoComplete="new-password" required aria-label="New password" placeholder="New password" />
        <button className="primary" type="submit">Set password</button>
        <button className="quiet" type="button" onClick={() => setLater(true)}>Later</button>
      </form>
      {trouble && <Notice tone="bad">{trouble}</Notice>}
    </section>
  );
}

function Machines({ me }: { me: Me }) {
  const state = useStore();
  const live = liveOnes(state);
  const ended = endedOnes(state, 4);
  const failed = ended.filter((one) => one.state === 'failed');
  const quiet = ended.filter((one) => one.state !== 'failed');
  const limit = me.limits.instances;
  return (
    <section aria-labelledby="machines-title">
      <div className="section-head">
        <h2 id="machines-title">Your machines</h2>
        {live.length > 0 && <span className="muted count">{limit > 0 ? `${live.length} of ${limit}` : live.length}</span>}
      </div>
      {live.length + failed.length === 0 && (
        <Empty title="Nothing is running">
          Choose something below and press <b>Start</b>. You get a machine of your own, with its address here, and it is removed by itself when its time is over.
        </Empty>
      )}
      {live.length + failed.length > 0 && (
        <div className="cards">
          {live.map((one) => <MachineCard key={one.id} instance={one} />)}
          {failed.map((one) => <EndedCard key={one.id} instance={one} />)}
        </div>
      )}
      {quiet.length > 0 && <div className="ended-list">{quiet.map((one) => <EndedCard key={one.id} instance={one} />)}</div>}
    </section>
  );
}

function TemplateTrouble({ template, me }: { template: Template; me: Me }) {
  const { heard } = useStore();
  if (template.state === 'building' && template.build) {
    const build = template.build;
    return (
      <div className="row-more">
        <Progress
          label={build.text ? build.text : 'Building its image'} done={Math.max(0, build.step - 1)} total={build.steps}
          elapsedMs={build.elapsed_ms} usualMs={build.usual_ms} heardAt={heard[template.id] ?? 0}
        />
      </div>
    );
  }
  const problems = seesProblems(me) ? template.problems ?? [] : [];
  const words: Partial<Record<Template['state'], string>> = {
    building: template.reason ? sentence(template.reason) : 'Its image is being built. It can be started as soon as that is done.',
    waiting: `${template.reason ? sentence(template.reason) : 'Something it needs is not there yet.'} It goes on by itself.`,
    broken: seesProblems(me)
      ? `${problems.length > 0 ? 'Mend the lines below; it is read again on saving.' : sentence(template.reason ?? 'It could not be read')}`
      : 'It cannot be started until the organisers have mended it. Tell them its name.',
    inactive: sentence(template.reason ?? 'It is switched off for now'),
  };
  const text = words[template.state];
  if (!text && problems.length === 0) return null;
  return (
    <div className="row-more">
      {text && <p className="muted">{text}</p>}
      {problems.length > 0 && template.state === 'broken' && <Problems list={problems} />}
      {problems.length > 0 && template.state !== 'broken' && (
        <details><summary className="muted">{plural(problems.length, 'note')} for its author</summary><Problems list={problems} /></details>
      )}
    </div>
  );
}

function Problems({ list }: { list: Problem[] }) {
  return (
    <ul className="problems">
      {list.map((problem, index) => (
        <li key={index} className={problem.severity}>
          <span className="severity">{problem.severity}</span>
          <code>{problem.file}{problem.line > 0 && `:${problem.line}`}</code>
          <span>{problem.message}</span>
        </li>
      ))}
    </ul>
  );
}

function TemplateRow({ template, me }: { template: Template; me: Me }) {
  const state = useStore();
  const instance = liveOf(state, template.id);
  const look = instance ? instanceLook(state.stopping[instance.id] ? 'stopping' : instance.state) : templateLook(template.state);
  const running = instance && (instance.state === 'running' || instance.state === 'paused') && !state.stopping[instance.id];
  const page = instance?.endpoints.find((endpoint) => endpoint.kind === 'http');
  const usual = template.usual_start_ms;
  const atOnce = template.state === 'ready' && template.pool?.kind === 'running' && template.pool.ready > 0;
  const ways = [...new Set(template.endpoints.map((endpoint) => endpoint.kind))].join(', ');
  return (
    <li
      className={`row ${template.state}`} data-item data-template={template.id} data-instance={instance?.id} data-state={instance?.state ?? template.state}
      tabIndex={-1} aria-label={`${template.name}, ${look.word.toLowerCase()}`}
    >
      <div className="row-line">
        <Mark {...look} />
        <div className="row-name">
          <h4>{template.name}</h4>
          {template.description && <p className="muted" title={template.description}>{template.description}</p>}
        </div>
        <div className="row-facts muted">
          <span className="fact-ways" title="Ways in">{ways || 'no way in'}</span>
          <span className="fact-machines" title="Containers in one start">{template.machines > 1 && plural(template.machines, 'machine')}</span>
          <span className="fact-lease" title={template.lease.text}>{template.lease.timeout_s > 0 ? duration(template.lease.timeout_s * 1000) : 'no end'}</span>
          <span className="fact-usual" title={atOnce ? 'Machines of this template run already' : 'The usual time from Start to running'}>{atOnce ? 'starts at once' : usual !== null && template.state === 'ready' && `starts in ${duration(usual)}`}</span>
        </div>
        <div className="row-act">
          {instance && state.stopping[instance.id] ? (
            <button type="button" onClick={() => undoStop(instance.id)} aria-label={`Undo the stop of ${template.name}`}><Icon name="undo" />Undo</button>
          ) : running && page?.kind === 'http' ? (
            <a className="button" href={page.url} target="_blank" rel="noopener noreferrer" aria-label={`Open ${template.name}`}><Icon name="open" />Open</a>
          ) : (
            <button
              type="button" disabled={template.state !== 'ready' || instance !== undefined}
              onClick={() => void start(template.id)} aria-label={`Start ${template.name}`}
            >
              {!instance && <Icon name="play" />}{instance ? stepShort(instance.state) : 'Start'}
            </button>
          )}
        </div>
      </div>
      {instance && (instance.state === 'starting' || instance.state === 'preparing') && instance.progress && (
        <p className="offscreen">{stepWords(instance.progress.step)}</p>
      )}
      <TemplateTrouble template={template} me={me} />
    </li>
  );
}

const stepShort = (state: string): string => (state === 'running' || state === 'paused' ? 'Running' : instanceLook(state).word);

const heading = (category: string): string => (category ? category.charAt(0).toUpperCase() + category.slice(1) : 'Other');

function Catalogue({ me }: { me: Me }) {
  const { templates, loaded } = useStore();
  const [query, setQuery] = useQuery('q');
  const [category, setCategory] = useQuery('category');
  const all = Object.values(templates);
  const counts = new Map<string, number>();
  for (const one of all) counts.set(one.category, (counts.get(one.category) ?? 0) + 1);
  const found = search(all, query, category);
  const groups = [...new Set(found.map((one) => one.category))];
  return (
    <section aria-labelledby="catalogue-title">
      <div className="section-head catalogue-head">
        <h2 id="catalogue-title">Catalogue</h2>
        {counts.size > 1 && (
          <div className="chips" role="group" aria-label="Category">
            <button type="button" aria-pressed={category === ''} onClick={() => setCategory('')}>All <span>{all.length}</span></button>
            {[...counts].sort(([a], [b]) => a.localeCompare(b)).map(([name, count]) => (
              <button type="button" key={name} aria-pressed={category === name} onClick={() => setCategory(category === name ? '' : name)}>
                {heading(name)} <span>{count}</span>
              </button>
            ))}
          </div>
        )}
        <span className="spring" />
        <label className="search">
          <Icon name="search" />
          <input
            id="search" type="search" value={query} onChange={(event) => setQuery(event.target.value)} placeholder="Search" aria-label="Search the catalogue"
            autoComplete="off" spellCheck={false}
          />
          <Key>/</Key>
        </label>
      </div>
      {!loaded && <div className="rows skeleton" aria-hidden="true"><span /><span /><span /></div>}
      {loaded && all.length === 0 && (
        <Empty title="No templates yet">
          {seesProblems(me)
            ? <>Put a folder with an <code>instance.toml</code> and a <code>Dockerfile</code> or <code>compose.yaml</code> into the templates folder. It appears here while you save.</>
            : 'The organisers have not put anything here yet. This page shows it as soon as they do.'}
        </Empty>
      )}
      {loaded && all.length > 0 && found.length === 0 && (
        <Empty title={query ? `Nothing matches “${query}”` : 'Nothing in this category'}>
          <button type="button" onClick={() => { setQuery(''); setCategory(''); }}>Show everything</button>
        </Empty>
      )}
      {groups.map((name) => (
        <div key={name} className="group">
          <h3 className="group-name">{heading(name)}</h3>
          <ul className="rows">
            {found.filter((one) => one.category === name).map((one) => <TemplateRow key={one.id} template={one} me={me} />)}
          </ul>
        </div>
      ))}
    </section>
  );
}

export function Home({ me }: { me: Me }) {
  return (
    <>
      <PasswordOffer me={me} />
      <Machines me={me} />
      <Catalogue me={me} />
    </>
  );
}

/** What Enter does on a card or row. */
export function enter(templateId: string, state: Parameters<typeof liveOf>[0]): void {
  const living = liveOf(state, templateId);
  if (living && (living.state === 'running' || living.state === 'paused')) open(living);
  else void start(templateId);
}
