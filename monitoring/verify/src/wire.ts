// Protobuf's wire format, as far as the generated codec does not look: lengths that overrun, and a field that comes with another wire
// type than its declaration, which protobuf takes for an unknown field. What two parsers read differently would be a way to show
// two readers two entries.
import { type DescField, type DescMessage, fromBinary, type MessageShape, ScalarType } from '@bufbuild/protobuf';
import { configureTextEncoding } from '@bufbuild/protobuf/wire';
import { concat, Refused, textOf, utf8 } from './bytes.ts';

const varint = 0, fixed64 = 1, delimited = 2, groupStart = 3, groupEnd = 4, fixed32 = 5;
const tagBytesMax = 5, lengthBytesMax = 5, varintBytesMax = 10;
const depthMax = 100;

configureTextEncoding({
  encodeUtf8: utf8,
  decodeUtf8: (bytes) => textOf(bytes),
  checkUtf8: (text) => textOf(utf8(text)) === text,
});

// The message that `bytes` encode; Refused when they are none.
export function decode<Desc extends DescMessage>(schema: Desc, bytes: Uint8Array): MessageShape<Desc> {
  const declared = new Reader(bytes).declaredFields(schema, 1);
  try {
    return fromBinary(schema, declared, { readUnknownFields: false });
  } catch (error) {
    throw new Refused(`not a ${schema.name}: ${(error as Error).message}`);
  }
}

class Reader {
  private at = 0;
  private readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  // The message without what its schema does not declare.
  declaredFields(schema: DescMessage, depth: number): Uint8Array {
    if (depth > depthMax) throw new Refused('nested too deep');
    const kept: Uint8Array[] = [];
    while (this.at < this.bytes.length) {
      const start = this.at;
      const { number, type } = this.tag();
      const content = this.at;
      this.skip(number, type, depth);
      const field = schema.fields.find((candidate) => candidate.number === number);
      if (field === undefined || !wireTypesOf(field).includes(type)) continue;
      kept.push(this.bytes.subarray(start, content));
      kept.push(type === delimited ? this.delimitedContent(field, content, depth) : this.bytes.subarray(content, this.at));
    }
    return concat(...kept);
  }

  // Length and content of the field that begins at `content` and ends here.
  private delimitedContent(field: DescField, content: number, depth: number): Uint8Array {
    const reader = new Reader(this.bytes.subarray(0, this.at));
    reader.at = content;
    const length = reader.length();
    const body = this.bytes.subarray(this.at - length, this.at);
    const message = field.message;
    if (message !== undefined) {
      const declared = new Reader(body).declaredFields(message, depth + 1);
      return concat(encodeLength(declared.length), declared);
    }
    if (isPackable(field)) {
      const packed = new Reader(body);
      while (packed.at < body.length) packed.varint(varintBytesMax);
    }
    return this.bytes.subarray(content, this.at);
  }

  private tag(): { number: number; type: number } {
    const tag = Number(this.varint(tagBytesMax) & 0xffffffffn);
    const number = tag >>> 3;
    if (number === 0) throw new Refused('field number 0');
    return { number, type: tag & 7 };
  }

  private skip(number: number, type: number, depth: number): void {
    if (type === varint) this.varint(varintBytesMax);
    else if (type === fixed64) this.advance(8);
    else if (type === fixed32) this.advance(4);
    else if (type === delimited) this.advance(this.length());
    else if (type === groupStart) this.skipGroup(number, depth + 1);
    else throw new Refused(type === groupEnd ? 'a group ends that did not begin' : `wire type ${type}`);
  }

  private skipGroup(number: number, depth: number): void {
    if (depth > depthMax) throw new Refused('nested too deep');
    for (;;) {
      const inner = this.tag();
      if (inner.type === groupEnd) {
        if (inner.number !== number) throw new Refused('a group ends that did not begin');
        return;
      }
      this.skip(inner.number, inner.type, depth);
    }
  }

  private length(): number {
    const length = this.varint(lengthBytesMax);
    if (length > BigInt(this.bytes.length)) throw new Refused('a field is longer than its message');
    return Number(length);
  }

  private advance(bytes: number): void {
    if (bytes > this.bytes.length - this.at) throw new Refused('a field is longer than its message');
    this.at += bytes;
  }

  private varint(bytesMax: number): bigint {
    let end = this.at;
    while (((this.bytes[end] ?? 0) & 0x80) !== 0 && end - this.at < bytesMax) end++;
    const bytes = this.bytes.subarray(this.at, end + 1);
    if (bytes.length > bytesMax || end >= this.bytes.length) throw new Refused('a number does not end');
    this.at = end + 1;
    return bytes.reduceRight((value, byte) => (value << 7n) | BigInt(byte & 0x7f), 0n);
  }
}

function wireTypesOf(field: DescField): number[] {
  if (field.message !== undefined || field.scalar === ScalarType.BYTES || field.scalar === ScalarType.STRING) return [delimited];
  return isPackable(field) ? [varint, delimited] : [varint];
}

// Of entry.proto, which has no floating point and no fixed width: every number, bool and enum is a varint.
function isPackable(field: DescField): boolean {
  return field.fieldKind === 'list' && field.message === undefined && field.scalar !== ScalarType.BYTES && field.scalar !== ScalarType.STRING;
}

function encodeLength(length: number): Uint8Array {
  const bytes: number[] = [];
  for (let rest = length; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Uint8Array.from([...bytes, rest]);
    bytes.push((rest % 128) | 0x80);
  }
}
