// What somebody sees whose farm has no flags yet, or who has no farm: the first step.
import { CopyButton } from '../../kit/copy';
import { Empty } from '../../kit/notice';

/** What one types to send flags here; the address is the one that this page was opened by. */
const commands = (): [string, string][] => [
  ['With this range’s own client', `tiltyard attack ./sploit.py`],
  ['With DestructiveFarm’s client, unchanged', `./start_sploit.py ./sploit.py --server-url ${location.origin} --token "$FARM_TOKEN"`],
  ['By hand, or from any program', `curl -H "X-Token: $FARM_TOKEN" -d '[{"flag":"…","sploit":"by-hand","team":"*"}]' ${location.origin}/api/v1/farm/flags`],
];

export function FirstSteps() {
  return (
    <Empty title="No flags yet">
      <p>Exploits find flags, a client posts them here, senders hand them in to the jury. Begin with a client on the machine that runs the exploit:</p>
      <dl className="first-steps">
        {commands().map(([what, command]) => (
          <div key={what}><dt>{what}</dt><dd><code>{command}</code><CopyButton text={command} what={`the command: ${what.toLowerCase()}`} /></dd></div>
        ))}
      </dl>
      <p><code>FARM_TOKEN</code> is the farm’s token: <code>token</code> in <code>farm.toml</code>, or <code>data/farm.token</code> where the file names none. Flags that somebody sent you in a chat: <b>Paste flags</b> above.</p>
    </Empty>
  );
}

export function FarmOff() {
  return (
    <Empty title="This range has no farm yet">
      <p>Write a <code>farm.toml</code> that names the teams, the flag format and the jury, and name it in the server’s settings; <code>docs/farm.md</code> has one to start from.</p>
      <dl className="first-steps"><div><dt>In tiltyard.toml</dt><dd><code>[farm] config = "farm.toml"</code><CopyButton text={'[farm]\nconfig = "farm.toml"\n'} what="these two lines" /></dd></div></dl>
      <p>From the next start on it is read again whenever it changes, also from this page.</p>
    </Empty>
  );
}
