// For staff: users, teams and invitations.
import type { Me } from '../../core/openapi';
import { isAdmin } from '../../core/roles';
import { useQuery } from '../../core/route';
import { Invitations } from './invitations';
import './style.css';
import { Teams } from './teams';
import { Users } from './users';

const VIEWS = [['users', 'Users'], ['teams', 'Teams'], ['invitations', 'Invitations']] as const;

export default function PeoplePage({ me }: { me: Me }) {
  const [view, setView] = useQuery('view', 'users');
  const admin = isAdmin(me);
  return (
    <section aria-labelledby="people-title">
      <div className="section-head">
        <h1 id="people-title">People</h1>
        <span className="spring" />
        <div className="views" role="group" aria-label="What to show">
          {VIEWS.map(([key, title]) => <button key={key} type="button" aria-pressed={view === key} onClick={() => setView(key)}>{title}</button>)}
        </div>
      </div>
      {view === 'teams' ? <Teams admin={admin} /> : view === 'invitations' ? <Invitations admin={admin} /> : <Users admin={admin} />}
    </section>
  );
}
