/** Numbers and times as people read them. Null and undefined are a dash: never a zero that was not measured. */
export const DASH = '–';

export function number(value: number | null | undefined, digits = 3): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return DASH;
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e9) return `${(value / 1e9).toPrecision(digits)} G`;
  if (size >= 1e6) return `${(value / 1e6).toPrecision(digits)} M`;
  if (size >= 10_000) return `${(value / 1e3).toPrecision(digits)} k`;
  if (size >= 100) return Math.round(value).toLocaleString('en');
  return String(Number(value.toPrecision(digits)));
}

export const milliseconds = (value: number | null | undefined): string =>
  value === null || value === undefined
    ? DASH
    : value >= 1_000
      ? `${number(value / 1_000)} s`
      : `${number(value, value < 10 ? 2 : 3)} ms`;

export const percent = (share: number | null | undefined, digits = 2): string =>
  share === null || share === undefined ? DASH : `${Number((share * 100).toFixed(digits))} %`;

export const bytes = (value: number | null | undefined): string =>
  value === null || value === undefined ? DASH : `${Math.round(value / 1024 / 1024)} MB`;

export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) return DASH;
  if (seconds < 1) return `${Math.round(seconds * 1_000)} ms`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

export const since = (iso: string): string => duration(Math.max(0, (Date.now() - Date.parse(iso)) / 1_000));

export const clock = (at: number | string): string =>
  new Date(at).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });

export const shortHash = (text: string | null | undefined): string =>
  text === null || text === undefined
    ? DASH
    : text.length > 14
      ? `${text.slice(0, 8)}…${text.slice(-4)}`
      : text;

/** wei as ether, without losing what matters to a person. */
export const ether = (wei: string): string => {
  const value = Number(BigInt(wei)) / 1e18;
  return `${value === 0 ? '0' : value < 1e-6 ? value.toExponential(2) : Number(value.toPrecision(4))} ETH`;
};
