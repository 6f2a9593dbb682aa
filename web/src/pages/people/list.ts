import { useForm } from '../../core/form';
import { useLoad } from '../../core/load';

export interface Listed<T> {
  items: T[] | null;
  trouble: string;
  /** Does something, then loads the list anew. */
  act: (work: () => Promise<unknown>) => void;
}

/** A list that is loaded at once and again after each change; failures are shown, not thrown. */
export function useList<T>(load: () => Promise<T[]>): Listed<T> {
  const { value, trouble, again } = useLoad(load);
  const form = useForm();
  const act = (work: () => Promise<unknown>): void => form.run(async () => {
    await work();
    again();
  });
  return { items: value, trouble: form.trouble || trouble, act };
}
