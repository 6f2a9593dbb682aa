import { start, undoStop } from '../../core/actions';
import { Progress } from '../../core/clock';
import { wayTo } from '../../core/door';
import type { Me, Template } from '../../core/openapi';
import { seesProblems } from '../../core/roles';
import { useQuery } from '../../core/route';
import { liveOf } from '../../core/state';
import { useStore } from '../../core/store';
import { duration } from '../../core/time';
import { instanceLook, lookOf } from '../../core/words';
import { Choice } from '../../kit/choice';
import { Icon } from '../../kit/icon';
import { Mark } from '../../kit/mark';
import { Empty } from '../../kit/notice';
import { Search } from '../../kit/search';
import { plural, sentence } from '../../kit/text';
import { search } from './search';
import { stepWords, templateLook } from './words';

type Problems = NonNullable<Template['problems']>;

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
      {problems.length > 0 && template.state === 'broken' && <ProblemList list={problems} />}
      {problems.length > 0 && template.state !== 'broken' && (
        <details><summary className="muted">{plural(problems.length, 'note')} for its author</summary><ProblemList list={problems} /></details>
      )}
    </div>
  );
}

function ProblemList({ list }: { list: Problems }) {
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
  const look = instance ? lookOf(instance, state.stopping[instance.id] !== undefined) : templateLook(template.state);
  const running = instance && (instance.state === 'running' || instance.state === 'paused') && !state.stopping[instance.id];
  const page = instance?.endpoints.find((endpoint) => endpoint.kind === 'http');
  const usual = template.usual_start_ms;
  const atOnce = template.state === 'ready' && template.pool?.kind === 'running' && template.pool.ready > 0;
  const ways = [...new Set(template.endpoints.map((endpoint) => endpoint.kind))].join(', ');
  return (
    <li
      className={`row ${template.state}`} data-item={template.id} data-template={template.id} data-instance={instance?.id} data-state={instance?.state ?? template.state}
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
            <a className="button" href={wayTo(page)} target="_blank" rel="noopener noreferrer" aria-label={`Open ${template.name}`}><Icon name="open" />Open</a>
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

export function Catalogue({ me }: { me: Me }) {
  const { templates, loaded } = useStore();
  const [query, setQuery] = useQuery('q');
  const [category, setCategory] = useQuery('category');
  const all = Object.values(templates);
  const counts = new Map<string, number>();
  for (const one of all) counts.set(one.category, (counts.get(one.category) ?? 0) + 1);
  const found = search(all, query, category);
  const options = [
    { key: '', word: <>All <span>{all.length}</span></> },
    ...[...counts].sort(([a], [b]) => a.localeCompare(b)).map(([key, count]) => ({ key, word: <>{heading(key)} <span>{count}</span></> })),
  ];
  const groups = [...new Set(found.map((one) => one.category))];
  return (
    <section aria-labelledby="catalogue-title">
      <div className="section-head catalogue-head">
        <h2 id="catalogue-title">Catalogue</h2>
        {counts.size > 1 && <Choice label="Category" value={category} set={setCategory} options={options} clears />}
        <span className="spring" />
        <Search value={query} set={setQuery} placeholder="Search" label="Search the catalogue" />
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
