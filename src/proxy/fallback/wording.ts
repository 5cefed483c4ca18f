import { fillText, type TextKey, type Texts } from '../../config/fallback-texts.ts';
import type { FallbackContent } from './content.ts';

/** The sentences of one answer in one language: plain text, empty where there is nothing to say. */
export interface Wording {
  readonly sentence: string;
  readonly advice: string;
  readonly time: string;
}

export function wordingOf(content: FallbackContent, texts: Texts): Wording {
  const textsOf = (keys: readonly TextKey[]): readonly string[] => keys.map((key) => texts[key]);
  const { usual, refreshSeconds, ownWords } = content;
  return {
    sentence: joined([...textsOf(content.sentences), ...(ownWords === '' ? [] : [ownWords])]),
    advice: refreshSeconds === undefined ? joined(textsOf(content.advice)) : fillText(texts.refresh, duration(refreshSeconds, texts)),
    time: usual ? joined([fillText(texts.time, duration(usual.seconds, texts)), ...(usual.exceeded ? [texts.longer] : [])]) : '',
  };
}

/** Chinese and Japanese sentences end with their own full stop, which brings its blank with it. */
function joined(sentences: readonly string[]): string {
  return sentences.join(' ').replaceAll('。 ', '。');
}

/** Never "1": then a text needs only one form in most languages. From ten on in steps of five, for it is only "about". */
function duration(seconds: number, texts: Texts): string {
  if (seconds >= 115) return fillText(texts.minutes, String(Math.round(seconds / 60)));
  return fillText(texts.seconds, String(seconds < 10 ? Math.max(2, Math.ceil(seconds)) : 5 * Math.ceil(seconds / 5)));
}
