// SPDX-License-Identifier: Apache-2.0
package dev.sluice.control;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.device.Pattern;
import dev.sluice.wire.Greeting;
import dev.sluice.wire.Header;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.function.LongConsumer;

/**
 * What came with {@code framing = sluice}, of one stream of the simulated device that no filter cut: every header was
 * valid, every word right, and every gap announced.
 *
 * @param frames whole frames
 * @param bytes payload in them
 * @param first source position of the first frame
 * @param next source position behind the last, or what END said
 * @param lostBytes announced by the headers behind the first
 * @param end how it ended
 */
record FramedStream(long frames, long bytes, long first, long next, long lostBytes, End end) {

    enum End {
        /** With an END header; what is behind it is not read. */
        ANNOUNCED,
        BETWEEN_FRAMES,
        INSIDE_A_FRAME
    }

    static FramedStream read(InputStream in) {
        return read(in, frames -> {});
    }

    /** @param progress is told the number of frames after each */
    static FramedStream read(InputStream in, LongConsumer progress) {
        byte[] headerBytes = new byte[Header.BYTES];
        Header header = new Header(MemorySegment.ofArray(headerBytes));
        long frames = 0;
        long bytes = 0;
        long first = -1;
        long next = 0;
        long lost = 0;
        End end = End.BETWEEN_FRAMES;
        try {
            for (int got; (got = in.readNBytes(headerBytes, 0, Header.BYTES)) > 0; ) {
                if (got < Header.BYTES) {
                    return new FramedStream(frames, bytes, first, next, lost, End.INSIDE_A_FRAME);
                }
                header.validate(Greeting.FROM_SENDER);
                if (header.type() == Header.TYPE_KEEP_ALIVE) {
                    continue;
                }
                if (first < 0) {
                    first = header.sourceOffset();
                } else {
                    assertThat(header.sourceOffset())
                            .as("position of frame %d", header.sequence())
                            .isEqualTo(next + header.lostBytes());
                    lost += header.lostBytes();
                }
                if (header.type() == Header.TYPE_END) {
                    end = End.ANNOUNCED;
                    next = header.sourceOffset();
                    break;
                }
                byte[] payload = in.readNBytes((int) header.payloadBytes());
                if (payload.length < header.payloadBytes()) {
                    return new FramedStream(frames, bytes, first, next, lost, End.INSIDE_A_FRAME);
                }
                assertWords(payload, header.sourceOffset());
                next = header.sourceOffset() + payload.length;
                bytes += payload.length;
                progress.accept(++frames);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return new FramedStream(frames, bytes, first, next, lost, end);
    }

    /** Whole words of the source's stream, from a position on. */
    static void assertWords(byte[] bytes, long position) {
        ByteBuffer words = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        for (int at = 0; at < bytes.length; at += Long.BYTES) {
            if (words.getLong(at) != Pattern.word(position + at)) {
                assertThat(words.getLong(at)).as("word at %d", position + at).isEqualTo(Pattern.word(position + at));
            }
        }
    }
}
