// Plays a recording on a screen. The screen only ever takes what comes next: to go back it begins anew.
import type { Terminal as Xterm } from '@xterm/xterm';
import { countUntil, sizeOf, timesOf, type Cast } from './cast';

/** How much the screen is given at once: between two pieces the page can be used. */
const PIECE = 128 * 1024;

export interface PlayerState {
  playing: boolean;
  /** Seconds. */
  now: number;
  length: number;
  /** On its way to another place. */
  seeking: boolean;
}

export class Player {
  speed = 1;
  private times: Float64Array;
  private index = 0;
  private now = 0;
  private playing = false;
  private seeking = false;
  /** Whatever is under way stops once this changes. */
  private turn = 0;
  private frame = 0;

  constructor(private readonly cast: Cast, private readonly screen: Xterm, private readonly changed: (state: PlayerState) => void) {
    this.times = timesOf(cast.moments);
    this.begin();
  }

  /** The longest pause that is played, in seconds. What is seen stays. */
  pauses(longest: number): void {
    const { moments } = this.cast;
    const at = moments[this.index - 1];
    this.times = timesOf(moments, longest);
    this.now = at === undefined ? 0 : (this.times[this.index - 1] ?? 0);
    this.tell();
  }

  /** When what was shown at `at` of the recording is played. */
  timeOf(at: number): number {
    const { moments } = this.cast;
    const index = countUntil(Float64Array.from(moments, (one) => one.at), at);
    return index === 0 ? 0 : (this.times[index - 1] ?? 0);
  }

  play(): void {
    if (this.playing) return;
    if (this.now >= this.length()) void this.seek(0).then((there) => { if (there) this.play(); });
    else void this.run();
  }

  pause(): void {
    this.turn += 1;
    cancelAnimationFrame(this.frame);
    this.playing = false;
    this.seeking = false;
    this.tell();
  }

  /** True once it is there, false where it was sent elsewhere meanwhile. */
  async seek(time: number): Promise<boolean> {
    const goOn = this.playing;
    this.pause();
    const turn = this.turn;
    const to = Math.max(0, Math.min(time, this.length()));
    const wanted = countUntil(this.times, to);
    if (wanted < this.index) this.begin();
    this.now = to;
    this.seeking = true;
    this.tell();
    const there = await this.show(wanted, turn);
    if (!there) return false;
    this.seeking = false;
    this.tell();
    if (goOn) void this.run();
    return true;
  }

  end(): void {
    this.turn += 1;
    cancelAnimationFrame(this.frame);
  }

  private length(): number { return this.times[this.times.length - 1] ?? 0; }

  private begin(): void {
    this.index = 0;
    this.screen.reset();
    this.screen.resize(this.cast.columns, this.cast.rows);
  }

  private tell(): void {
    this.changed({ playing: this.playing, now: this.now, length: this.length(), seeking: this.seeking });
  }

  private write(text: string): Promise<void> { return new Promise((done) => this.screen.write(text, done)); }

  /** Shows all moments before `wanted`. */
  private async show(wanted: number, turn: number): Promise<boolean> {
    const { moments } = this.cast;
    while (this.index < wanted) {
      let text = '';
      let size: [number, number] | null = null;
      while (this.index < wanted && text.length < PIECE && size === null) {
        const one = moments[this.index];
        if (one?.code === 'o') text += one.data;
        else if (one?.code === 'r') size = sizeOf(one.data);
        this.index += 1;
      }
      if (text) await this.write(text);
      if (turn !== this.turn) return false;
      if (size) this.screen.resize(...size);
    }
    return true;
  }

  private async run(): Promise<void> {
    this.playing = true;
    const turn = ++this.turn;
    this.tell();
    let before = performance.now();
    while (this.now < this.length()) {
      const at = await new Promise<number>((frame) => { this.frame = requestAnimationFrame(frame); });
      if (turn !== this.turn) return;
      this.now = Math.min(this.length(), this.now + ((Math.max(0, at - before)) / 1000) * this.speed);
      before = at;
      if (!(await this.show(countUntil(this.times, this.now), turn))) return;
      this.tell();
    }
    this.playing = false;
    this.tell();
  }
}
