// Bytes, text and numbers as the C2SP formats write them: one encoding per value, anything else is refused.

// Why something is not to be believed, or cannot be read. The message is for people.
export class Refused extends Error {}

export type Bytes = Uint8Array<ArrayBuffer>;

export function concat(...parts: Uint8Array[]): Bytes {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

export function utf8(text: string): Bytes {
  return new TextEncoder().encode(text);
}

// Refused unless UTF-8. A byte order mark is a character like any other, or two texts would read as one.
export function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Refused('not UTF-8');
  }
}

// Each byte a character, U+0000 to U+00FF.
export function latin1(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return text;
}

export function fromLatin1(text: string): Bytes {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

// Standard Base64 with padding (RFC 4648, section 4).
export function base64(bytes: Uint8Array): string {
  return btoa(latin1(bytes));
}

export function fromBase64(text: string): Bytes {
  let bytes: Bytes | undefined;
  try {
    bytes = fromLatin1(atob(text));
  } catch {
    // As below.
  }
  // atob forgives spaces, missing padding and stray bits; encoding again does not.
  if (bytes === undefined || base64(bytes) !== text) throw new Refused('not standard Base64');
  return bytes;
}

export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function fromBigEndian(bytes: Uint8Array): bigint {
  return bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

// ASCII decimal without sign or leading zeroes, at most 64 bits.
export function fromDecimal(text: string): bigint {
  if (!/^(0|[1-9][0-9]{0,19})$/.test(text) || BigInt(text) >= 1n << 64n) throw new Refused('not a decimal number of at most 64 bits');
  return BigInt(text);
}
