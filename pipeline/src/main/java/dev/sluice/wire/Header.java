// SPDX-License-Identifier: Apache-2.0
package dev.sluice.wire;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.List;
import java.util.zip.CRC32C;

/**
 * The message of {@code framing = sluice}: 64 bytes, little-endian, no padding; only a FRAME is followed by a payload.
 *
 * <pre>
 *  at  bytes
 *   0  4  magic           "SLCE" (0x45434c53)
 *   4  1  version         2
 *   5  1  type            1 FRAME, 2 END, 3 HELLO, 4 WELCOME, 5 ACK, 6 KEEP_ALIVE, 7 CHALLENGE, 8 PROOF, 9 BYE; others are for
 *                         later
 *   6  2  flags           of FRAME:
 *                         bit 0 CONTIGUOUS: the payload is one run of the source's bytes, nothing was filtered out
 *                         bit 1 WHOLE_WORDS: each of its runs begins and ends at a multiple of 8 of the source's bytes
 *                         bit 2 EMITTED: a filter put bytes of its own in; the source offset is the frame's
 *                         bit 3 CHECKSUM: the payload's is at 56
 *                         bits 8 to 15: flags 0 to 7 of the user's, as filters of type tag set them
 *                         of HELLO:
 *                         bit 0 RESUME: what is not acknowledged is held, and sent again after a reconnect
 *                         bit 1 JOIN: the stream is under way for others, too, and goes on from now whatever is wanted
 *                         of WELCOME, ACK:
 *                         bit 0 NEW: nothing of the stream came before, and it may begin anywhere
 *                         bit 1 FINISHED: the END has come
 *   8  4  stream id       of one source by one way through the filters; positions and sequences count for each apart
 *  12  4  payload length  bytes that follow a FRAME; 0 for all others
 *  16  8  sequence        of the frame at its source; for END, of the frame that would have come next; for HELLO, of the
 *                         oldest that can still come; for WELCOME and ACK, of the next that is wanted: all before it have come
 *  24  8  time            when the frame was filled, ns since 1970-01-01 UTC by the device's clock; for HELLO, how long a
 *                         peer may say nothing before it is taken for dead, ns
 *  32  8  source offset   position of the payload's first byte in all the source produced, lost bytes included;
 *                         for the other types, that of the sequence's frame
 *  40  8  lost bytes      lost by the source since the last header of this stream; for WELCOME and ACK, the sum of all that
 *                         came
 *  48  8  identity        of HELLO: of the stream of bytes that positions count in. The same after a restart only if the
 *                         bytes at all positions are;
 *         received bytes  of WELCOME and ACK: payload in all frames that have come
 *  56  4  streams         of HELLO: how many there are, each with a HELLO;
 *         checksum        of FRAME, if flagged: CRC-32C of the payload
 *  60  4  header CRC      CRC-32C (RFC 3720, appendix B.4) of the 60 bytes before it
 * </pre>
 *
 * <p>A CHALLENGE and a PROOF have {@value #SECRET_BYTES} bytes at {@value #SECRET_AT} instead of these fields. What is not
 * named is 0.
 *
 * <p>A connection begins with the sender's HELLOs and the receiver's WELCOMEs, after {@link Authentication} where that is
 * asked for; then frames go one way and ACKs the other, and KEEP_ALIVE either way while there is nothing else to say. When
 * the receiver has acknowledged all ENDs, the sender says BYE: without it a receiver cannot know whether the sender heard
 * that, or will come back to ask. A receiver that closes its side instead of acknowledging them may have been cut off, and
 * the sender connects again.
 * A file holds FRAME and END only.
 *
 * <p>An instance is a view of 64 bytes that belong to somebody else, and is not thread-safe.
 */
public final class Header {

    public static final int BYTES = 64;
    public static final int MAGIC = 0x45434c53;
    public static final int VERSION = 2;
    public static final int TYPE_FRAME = 1;
    public static final int TYPE_END = 2;
    public static final int TYPE_HELLO = 3;
    public static final int TYPE_WELCOME = 4;
    public static final int TYPE_ACK = 5;
    public static final int TYPE_KEEP_ALIVE = 6;
    public static final int TYPE_CHALLENGE = 7;
    public static final int TYPE_PROOF = 8;
    public static final int TYPE_BYE = 9;
    public static final int FLAG_CONTIGUOUS = 1;
    public static final int FLAG_WHOLE_WORDS = 2;
    public static final int FLAG_EMITTED = 4;
    public static final int FLAG_CHECKSUM = 8;
    public static final int FIRST_TAG_BIT = 8;
    public static final int FLAG_RESUME = 1;
    public static final int FLAG_JOIN = 2;
    public static final int FLAG_NEW = 1;
    public static final int FLAG_FINISHED = 2;

    /** Length of a challenge, and of its proof. */
    public static final int SECRET_BYTES = 32;

    private static final int SECRET_AT = 16;

    /** Most streams that a connection can have. */
    public static final int MOST_STREAMS = 64;

    /**
     * Longest payload that is believed, 1 GiB: far above any buffer a DMA engine fills at once, far below what a corrupt
     * length would ask a receiver to wait for.
     */
    public static final long MOST_PAYLOAD_BYTES = 1L << 30;

    /** Bounds of the time for which a peer may say nothing: 1 ms, and a year. */
    private static final long LEAST_SILENCE_NANOS = 1_000_000;

    private static final long MOST_SILENCE_NANOS = Duration.ofDays(366).toNanos();

    private static final List<String> NAMES =
            List.of("0", "FRAME", "END", "HELLO", "WELCOME", "ACK", "KEEP_ALIVE", "CHALLENGE", "PROOF", "BYE");

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

    /** Writes a FRAME without a checksum, or an END: all 64 bytes. */
    public void encode(
            int type,
            int flags,
            int stream,
            long payloadBytes,
            long sequence,
            long timeNanos,
            long sourceOffset,
            long lostBytes) {
        encode(type, flags, stream, payloadBytes, sequence, timeNanos, sourceOffset, lostBytes, 0, 0);
    }

    /** Adds the payload's checksum to a FRAME. */
    public void checksum(int payloadCrc) {
        bytes.set(U16, 6, (short) (bytes.get(U16, 6) | FLAG_CHECKSUM));
        bytes.set(U32, 56, payloadCrc);
        bytes.set(U32, CRC_AT, computed());
    }

    /**
     * Writes a HELLO.
     *
     * @param streams how many HELLOs there are
     * @param flags RESUME, JOIN
     * @param oldest of what can still come
     * @param silence how long a peer may say nothing
     */
    public void hello(int stream, int streams, int flags, long identity, Place oldest, Duration silence) {
        encode(
                TYPE_HELLO,
                flags,
                stream,
                0,
                oldest.sequence(),
                silence.toNanos(),
                oldest.position(),
                0,
                identity,
                streams);
    }

    /** Writes a WELCOME or an ACK. */
    public void progress(int type, int stream, Progress progress) {
        encode(
                type,
                (progress.isNew() ? FLAG_NEW : 0) | (progress.finished() ? FLAG_FINISHED : 0),
                stream,
                0,
                progress.next().sequence(),
                0,
                progress.next().position(),
                progress.lostBytes(),
                progress.receivedBytes(),
                0);
    }

    /** Writes a KEEP_ALIVE. */
    public void keepAlive() {
        encode(TYPE_KEEP_ALIVE, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    }

    /** Writes a BYE. */
    public void bye() {
        encode(TYPE_BYE, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    }

    /** Writes a CHALLENGE or a PROOF. */
    public void secret(int type, byte[] secret) {
        encode(type, 0, 0, 0, 0, 0, 0, 0, 0, 0);
        MemorySegment.copy(secret, 0, bytes, JAVA_BYTE, SECRET_AT, SECRET_BYTES);
        bytes.set(U32, CRC_AT, computed());
    }

    private void encode(
            int type,
            int flags,
            int stream,
            long payloadBytes,
            long sequence,
            long timeNanos,
            long sourceOffset,
            long lostBytes,
            long at48,
            int at56) {
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
        bytes.set(U64, 48, at48);
        bytes.set(U32, 56, at56);
        bytes.set(U32, CRC_AT, computed());
    }

    /**
     * Looks at 64 bytes that came from outside.
     *
     * @param types bits of the types that may come now, 1 shifted left by the type
     * @throws WireException with one sentence, if they are no header that this version understands, or of another type
     */
    public void validate(int types) throws WireException {
        if (bytes.get(U32, 0) != MAGIC) {
            throw new WireException(String.format(
                    "bad magic 0x%08x where a frame header (0x%08x) should start: the peer does not speak "
                            + "framing = sluice, or bytes were lost",
                    bytes.get(U32, 0), MAGIC));
        }
        if (bytes.get(U32, CRC_AT) != computed()) {
            throw new WireException(String.format(
                    "wrong header CRC 0x%08x (computed 0x%08x): the header is corrupt",
                    bytes.get(U32, CRC_AT), computed()));
        }
        if (version() != VERSION) {
            throw new WireException("version " + version() + " of the wire format; this end speaks " + VERSION
                    + ": use the same release at both ends");
        }
        int type = type();
        if (type < TYPE_FRAME || type > TYPE_BYE) {
            throw new WireException("unknown header type " + type);
        }
        if ((types & 1 << type) == 0) {
            throw new WireException("a header of type " + NAMES.get(type) + ", which cannot come here");
        }
        validateFields(type);
    }

    private void validateFields(int type) throws WireException {
        if (payloadBytes() > MOST_PAYLOAD_BYTES) {
            throw new WireException(
                    "absurd payload length " + payloadBytes() + " (more than " + MOST_PAYLOAD_BYTES + ")");
        }
        if (type != TYPE_FRAME && payloadBytes() != 0) {
            throw new WireException(
                    "a header of type " + NAMES.get(type) + " with a payload of " + payloadBytes() + " bytes");
        }
        if (type == TYPE_CHALLENGE || type == TYPE_PROOF) {
            return;
        }
        boolean beyondTheEnd = sourceOffset() + payloadBytes() < 0;
        // A filter may emit more than it sees, so that more can be lost than the source produced.
        if (lostBytes() < 0 || sourceOffset() < 0 || beyondTheEnd) {
            throw new WireException("absurd position: source offset " + Long.toUnsignedString(sourceOffset())
                    + " after " + Long.toUnsignedString(lostBytes()) + " lost bytes");
        }
        if (sequence() < 0 || (type == TYPE_FRAME && sequence() == Long.MAX_VALUE)) { // none could come next
            throw new WireException("absurd sequence " + Long.toUnsignedString(sequence()));
        }
        if (type == TYPE_HELLO && (streams() < 1 || streams() > MOST_STREAMS)) {
            throw new WireException("absurd number of streams: " + Integer.toUnsignedString(streams()));
        }
        if (type == TYPE_HELLO && (timeNanos() < LEAST_SILENCE_NANOS || timeNanos() > MOST_SILENCE_NANOS)) {
            throw new WireException("absurd time for which a peer may say nothing: " + timeNanos() + " ns");
        }
        if ((type == TYPE_WELCOME || type == TYPE_ACK) && receivedBytes() < 0) {
            throw new WireException("absurd number of received bytes: " + Long.toUnsignedString(receivedBytes()));
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

    /** CRC-32C of the payload, if the frame has one: see {@link #hasChecksum}. */
    public int checksum() {
        return bytes.get(U32, 56);
    }

    public boolean hasChecksum() {
        return (bytes.get(U16, 6) & FLAG_CHECKSUM) != 0;
    }

    /** Of a HELLO: what is not acknowledged is sent again. */
    public boolean resumes() {
        return (bytes.get(U16, 6) & FLAG_RESUME) != 0;
    }

    /** Of a HELLO: the stream goes on from now, whatever is wanted. */
    public boolean joins() {
        return (bytes.get(U16, 6) & FLAG_JOIN) != 0;
    }

    /** Of a HELLO. */
    public long identity() {
        return bytes.get(U64, 48);
    }

    /** Of a HELLO: how many there are. */
    public int streams() {
        return bytes.get(U32, 56);
    }

    /** Of a WELCOME or an ACK: all that it says. */
    public Progress progress() {
        int flags = bytes.get(U16, 6);
        return new Progress(
                (flags & FLAG_NEW) != 0, (flags & FLAG_FINISHED) != 0, place(), receivedBytes(), lostBytes());
    }

    /** Of an ACK, without an object. */
    public boolean finished() {
        return (bytes.get(U16, 6) & FLAG_FINISHED) != 0;
    }

    private long receivedBytes() {
        return bytes.get(U64, 48);
    }

    /** The sequence with its position. */
    public Place place() {
        return new Place(sequence(), sourceOffset());
    }

    /** Of a CHALLENGE or a PROOF. */
    public byte[] secret() {
        byte[] secret = new byte[SECRET_BYTES];
        MemorySegment.copy(bytes, JAVA_BYTE, SECRET_AT, secret, 0, SECRET_BYTES);
        return secret;
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

    private int computed() {
        crc.reset();
        crc.update(checked.position(0));
        return (int) crc.getValue();
    }
}
