// What the farm knows of the game: the opponents, and the flag ids that the jury publishes.
import { call, type Answer } from '../../core/api';
import { When } from '../../core/clock';
import { useLoad } from '../../core/load';
import { useQuery } from '../../core/route';
import { duration } from '../../core/time';
import { asOptions, Choice } from '../../kit/choice';
import { CopyButton } from '../../kit/copy';
import { Mark } from '../../kit/mark';
import { Empty, Trouble } from '../../kit/notice';
import { Search } from '../../kit/search';
import { finder, plural } from '../../kit/text';

type AttackData = Answer<'getFarmAttackData'>;
type FarmTeams = Answer<'listFarmTeams'>;

interface Row {
  team: string;
  name: string;
  ids: string[];
}

function rowsOf(ids: Record<string, string[]>, teams: FarmTeams | null, fits: (text: string) => boolean): Row[] {
  const names = new Map((teams?.items ?? []).map((team) => [team.address, team.name]));
  return Object.entries(ids)
    .map(([team, list]) => ({ team, name: names.get(team) ?? '', ids: list }))
    .filter((row) => fits(`${row.team} ${row.name} ${row.ids.join(' ')}`))
    .sort((a, b) => a.team.localeCompare(b.team, undefined, { numeric: true }));
}

function FlagIds({ data, teams }: { data: AttackData; teams: FarmTeams | null }) {
  const names = Object.keys(data.services).sort();
  const [chosen, setChosen] = useQuery('service', names[0] ?? '');
  const [filter, setFilter] = useQuery('q');
  const service = data.services[chosen] ? chosen : names[0] ?? '';
  const rows = rowsOf(data.services[service] ?? {}, teams, finder(filter));
  return (
    <>
      <div className="section-head">
        <Choice label="Service" options={asOptions(names)} value={service} set={setChosen} />
        <span className="spring" />
        <Search value={filter} set={setFilter} placeholder="Team or flag id" label="Filter flag ids" />
      </div>
      <div className="table-frame flag-ids">
        <table>
          <thead><tr><th>Team</th><th>Flag ids, as an exploit gets them</th><th><span className="offscreen">Copy</span></th></tr></thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.team}>
                <td><span className="mono">{row.team}</span>{row.name && row.name !== row.team && <span className="muted"> · {row.name}</span>}</td>
                <td className="mono ids">{row.ids.length === 0 ? <span className="muted">none</span> : row.ids.map((id, index) => <span key={index}>{id}</span>)}</td>
                <td className="act"><CopyButton text={JSON.stringify(row.ids)} what={`the flag ids of ${row.team}`} /></td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {rows.length === 0 && <p className="muted above-table">No team matches.</p>}
    </>
  );
}

const RAW: [string, string][] = [['raw', 'Flag ids'], ['teams', 'Teams'], ['credentials', 'Credentials']];

function Fetched({ data }: { data: AttackData }) {
  return (
    <p className="fetched">
      <Mark {...(data.stale ? { word: 'Stale', tone: 'wait' as const, shape: 'diamond' as const } : { word: 'Fresh', tone: 'good' as const, shape: 'disc' as const })} />
      {data.fetched_at ? <span>from the jury <When at={data.fetched_at} /></span> : <span>never heard of the jury</span>}
      {data.error && <span className="muted">· the last try failed: {data.error}</span>}
      <span className="spring" />
      <span className="muted">As the jury wrote it:</span>
      {RAW.map(([part, word]) => <a key={part} href={`/api/v1/farm/attack-data/${part}`} target="_blank" rel="noopener noreferrer">{word}</a>)}
    </p>
  );
}

function Teams({ teams }: { teams: FarmTeams }) {
  return (
    <section aria-labelledby="teams-title">
      <div className="section-head"><h2 id="teams-title">Opponents</h2><span className="muted count">{plural(teams.items.length, 'team')}</span></div>
      <dl className="facts">
        <div><dt>Flag format</dt><dd className="mono">{teams.flag_format} <CopyButton text={teams.flag_format} what="the flag format" /></dd></div>
        <div><dt>A flag counts</dt><dd>for {duration(teams.flag_lifetime_s * 1000)}; clients post every {duration(teams.submit_period_s * 1000)}</dd></div>
      </dl>
      <details className="opponents"><summary className="muted">All of them</summary>
        <ul>{teams.items.map((team) => <li key={team.name}><span className="mono">{team.address}</span>{team.name !== team.address && <span className="muted"> {team.name}</span>}</li>)}</ul>
      </details>
    </section>
  );
}

export function AttackPage() {
  const teams = useLoad(() => call<'listFarmTeams'>('/farm/teams'), { every: 30_000 });
  const { value: data, trouble, reason } = useLoad(() => call<'getFarmAttackData'>('/farm/attack-data'), { every: 5000 });
  const none = reason === 'attack-data-missing' || (data !== null && Object.keys(data.services).length === 0);
  return (
    <>
      {teams.value && <Teams teams={teams.value} />}
      <section aria-labelledby="ids-title">
        <div className="section-head"><h2 id="ids-title">Flag ids</h2></div>
        {!none && <Trouble text={trouble} />}
        {data && <Fetched data={data} />}
        {none && (
          <Empty title="The jury has not told any flag ids">
            Say under <code>[attack_data]</code> in the configuration where the jury publishes them and in which format. They are then fetched once, for everybody: exploits ask <code>/api/v1/farm/attack-data</code> here instead of the jury.
          </Empty>
        )}
        {data && !none && <FlagIds data={data} teams={teams.value} />}
      </section>
    </>
  );
}
