// For staff: the certificates that the server shows, how long they last, and how those stand that it fetches itself.
import { call } from '../../core/api';
import { When } from '../../core/clock';
import { attempt } from '../../core/form';
import { useLoad } from '../../core/load';
import type { Certificate, Me } from '../../core/openapi';
import { isAdmin } from '../../core/roles';
import { useQuery } from '../../core/route';
import { toast } from '../../core/store';
import type { Look } from '../../kit/look';
import { Mark } from '../../kit/mark';
import { Empty, Trouble } from '../../kit/notice';
import { Table, type Column } from '../../kit/table';
import './style.css';

const LOOK: Record<Certificate['state'], Look> = {
  waiting: { word: 'waiting', tone: 'wait', shape: 'ring' },
  ordering: { word: 'ordering', tone: 'wait', shape: 'ring' },
  good: { word: 'good', tone: 'good', shape: 'disc' },
  failing: { word: 'failing', tone: 'bad', shape: 'triangle' },
};

const when = (time: string | null) => (time ? <When at={time} /> : '–');

const COLUMNS: Column<Certificate>[] = [
  { key: 'id', title: 'Certificate', sort: (one) => one.id, show: (one) => <strong>{one.id}</strong> },
  { key: 'state', title: 'State', sort: (one) => one.state, show: (one) => <><Mark {...LOOK[one.state]} />{one.error && <p className="muted certificate-error">{one.error}</p>}</> },
  { key: 'names', title: 'Names', sort: (one) => one.names[0] ?? '', show: (one) => <ul className="certificate-names mono">{one.names.map((name) => <li key={name}>{name}</li>)}</ul> },
  { key: 'until', title: 'Ends', sort: (one) => one.not_after ?? '', show: (one) => when(one.not_after) },
  { key: 'next', title: 'Next order', sort: (one) => one.next_try ?? '', show: (one) => when(one.next_try) },
  { key: 'issuer', title: 'From', sort: (one) => one.issuer ?? '', show: (one) => one.issuer ?? '–' },
];

export default function CertificatesPage({ me }: { me: Me }) {
  const { value, trouble, again } = useLoad(() => call<'listCertificates'>('/admin/certificates'), { every: 10_000 });
  const sort = useQuery('sort', 'id');
  const renew = async (one: Certificate): Promise<void> => {
    const worked = await attempt(`No certificate was ordered for ${one.id}.`, () => call<'renewCertificate'>(`/admin/certificates/${encodeURIComponent(one.id)}/renew`, { method: 'POST' }));
    if (worked) toast(`A new certificate for ${one.id} is being ordered; the old one serves until it has come.`);
    again();
  };
  return (
    <section className="certificates stacked" aria-labelledby="certificates-title">
      <div className="section-head"><h1 id="certificates-title">Certificates</h1></div>
      <Trouble text={trouble} />
      {value?.items.length === 0 && <Empty title="There are no certificates">Give the server files ([certificates.NAME]) or a CA to ask ([acme] in tiltyard.toml).</Empty>}
      {value && value.items.length > 0 && (
        <Table columns={COLUMNS} rows={value.items} rowKey={(one) => one.id} sort={sort}
          act={isAdmin(me) ? (one) => !one.id.includes(':') && <button type="button" className="quiet" aria-label={`Renew ${one.id}`} onClick={() => void renew(one)}>Renew</button> : undefined} />
      )}
    </section>
  );
}
