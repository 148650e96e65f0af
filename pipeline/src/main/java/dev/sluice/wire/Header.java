// SPDX-License-Identifier: Apache-2.0
package dev.sluice.wire;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.zip.CRC32C;

/**
 * The header of {@code framing = sluice}: 64 bytes, little-endian, no padding.
 *
 * <pre>
 *  at  bytes
 *   0  4  magic           "SLCE" (0x45434c53)
 *   4  1  version         1
 *   5  1  type            1 FRAME, 2 END; 3 to 255 are reserved for HELLO, WELCOME, ACK and what comes later
 *   6  2  flags           bit 0 CONTIGUOUS: the payload is one run of the source's bytes, nothing was filtered out
 *                         bit 1 WHOLE_WORDS: each of its runs begins and ends at a multiple of 8 of the source's bytes
 *                         bit 2 EMITTED: a filter put bytes of its own in; the source offset is the frame's
 *                         bits 8 to 15: flags 0 to 7 of the user's, as filters of type tag set them
 *   8  4  stream id       of one source by one way through the filters; positions and sequences count for each apart
 *  12  4  payload length  bytes that follow the header; 0 for END
 *  16  8  sequence        of the frame at its source; for END, of the frame that would have come next
 *  24  8  time            when the frame was filled, ns since 1970-01-01 UTC by the device's clock
 *  32  8  source offset   position of the payload's first byte in all the source produced, lost bytes included;
 *                         for END, of the byte that would have come next
 *  40  8  lost bytes      lost by the source since the last header of this stream
 *  48  8  reserved        0
 *  56  4  reserved        0
 *  60  4  header CRC      CRC-32C (RFC 3720, appendix B.4) of the 60 bytes before it
 * </pre>
 *
 * <p>An instance is a view of 64 bytes that belong to somebody else, and is not thread-safe.
 */
public final class Header {

    public static final int BYTES = 64;
    public static final int MAGIC = 0x45434c53;
    public static final int VERSION = 1;
    public static final int TYPE_FRAME = 1;
    public static final int TYPE_END = 2;
    public static final int FLAG_CONTIGUOUS = 1;
    public static final int FLAG_WHOLE_WORDS = 2;
    public static final int FLAG_EMITTED = 4;
    public static final int FIRST_TAG_BIT = 8;

    /**
     * Longest payload that is believed, 1 GiB: far above any buffer a DMA engine fills at once, far below what a corrupt
     * length would ask a receiver to wait for.
     */
    public static final long MOST_PAYLOAD_BYTES = 1L << 30;

    private static final int CRC_AT = 60;
    private static final ValueLayout.OfShort U16 = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt U32 = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong U64 = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final MemorySegment bytes;
    private final ByteBuffer checked;
    private final CRC32C crc = new CRC32C();

    /** @param bytes 64 bytes, native memory or a heap array */
    public Header(MemorySegment bytes) {
        this.bytes = bytes.asSlice(0, BYTES);
        this.checked = this.bytes.asByteBuffer().limit(CRC_AT);
    }

    /** Where the header lies, if it lies in native memory. */
    public long address() {
        return bytes.address();
    }

    /** Writes all 64 bytes. */
    public void encode(
            int type,
            int flags,
            int stream,
            long payloadBytes,
            long sequence,
            long timeNanos,
            long sourceOffset,
            long lostBytes) {
        bytes.set(U32, 0, MAGIC);
        bytes.set(JAVA_BYTE, 4, (byte) VERSION);
        bytes.set(JAVA_BYTE, 5, (byte) type);
        bytes.set(U16, 6, (short) flags);
        bytes.set(U32, 8, stream);
        bytes.set(U32, 12, (int) payloadBytes);
        bytes.set(U64, 16, sequence);
        bytes.set(U64, 24, timeNanos);
        bytes.set(U64, 32, sourceOffset);
        bytes.set(U64, 40, lostBytes);
        bytes.set(U64, 48, 0);
        bytes.set(U32, 56, 0);
        bytes.set(U32, CRC_AT, checksum());
    }

    /**
     * Looks at 64 bytes that came from outside.
     *
     * @throws WireException with one sentence, if they are not a header that this version understands
     */
    public void validate() throws WireException {
        if (bytes.get(U32, 0) != MAGIC) {
            throw new WireException(String.format(
                    "bad magic 0x%08x where a frame header (0x%08x) should start: the sender does not speak "
                            + "framing = sluice, or bytes were lost",
                    bytes.get(U32, 0), MAGIC));
        }
        if (bytes.get(U32, CRC_AT) != checksum()) {
            throw new WireException(String.format(
                    "wrong header CRC 0x%08x (computed 0x%08x): the header is corrupt",
                    bytes.get(U32, CRC_AT), checksum()));
        }
        if (version() != VERSION) {
            throw new WireException("version " + version() + " of the wire format; this receiver speaks " + VERSION
                    + ": use the same release at both ends");
        }
        if (type() != TYPE_FRAME && type() != TYPE_END) {
            throw new WireException("unknown header type " + type());
        }
        if (payloadBytes() > MOST_PAYLOAD_BYTES) {
            throw new WireException(
                    "absurd payload length " + payloadBytes() + " (more than " + MOST_PAYLOAD_BYTES + ")");
        }
        if (type() == TYPE_END && payloadBytes() != 0) {
            throw new WireException("an END header with a payload of " + payloadBytes() + " bytes");
        }
        boolean beyondTheEnd = sourceOffset() + payloadBytes() < 0;
        if (lostBytes() < 0 || sourceOffset() < lostBytes() || beyondTheEnd) {
            throw new WireException("absurd position: source offset " + Long.toUnsignedString(sourceOffset())
                    + " after " + Long.toUnsignedString(lostBytes()) + " lost bytes");
        }
    }

    public int version() {
        return Byte.toUnsignedInt(bytes.get(JAVA_BYTE, 4));
    }

    public int type() {
        return Byte.toUnsignedInt(bytes.get(JAVA_BYTE, 5));
    }

    public boolean contiguous() {
        return (bytes.get(U16, 6) & FLAG_CONTIGUOUS) != 0;
    }

    public boolean wholeWords() {
        return (bytes.get(U16, 6) & FLAG_WHOLE_WORDS) != 0;
    }

    public boolean emitted() {
        return (bytes.get(U16, 6) & FLAG_EMITTED) != 0;
    }

    /** Flags 0 to 7 that filters set, as bits. */
    public int tags() {
        return Short.toUnsignedInt(bytes.get(U16, 6)) >>> FIRST_TAG_BIT;
    }

    public int stream() {
        return bytes.get(U32, 8);
    }

    public long payloadBytes() {
        return Integer.toUnsignedLong(bytes.get(U32, 12));
    }

    public long sequence() {
        return bytes.get(U64, 16);
    }

    public long timeNanos() {
        return bytes.get(U64, 24);
    }

    public long sourceOffset() {
        return bytes.get(U64, 32);
    }

    public long lostBytes() {
        return bytes.get(U64, 40);
    }

    private int checksum() {
        crc.reset();
        crc.update(checked.position(0));
        return (int) crc.getValue();
    }
}
