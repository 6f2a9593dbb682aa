// How a state looks: a word, a colour and a shape, never a colour alone.

export type Tone = 'good' | 'busy' | 'wait' | 'bad' | 'off';
export type Shape = 'disc' | 'ring' | 'diamond' | 'triangle' | 'pause' | 'square' | 'dash';

export interface Look {
  word: string;
  tone: Tone;
  shape: Shape;
}
