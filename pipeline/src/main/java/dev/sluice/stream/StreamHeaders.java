// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

import dev.sluice.wire.Header;

/** What the headers of {@code framing = sluice} say of a frame, and of the end of a stream, whatever the sink. */
final class StreamHeaders {

    private StreamHeaders() {}

    /** @param lostBytes lost since the last header of the stream */
    static void frame(Header header, LentFrame frame, SinkStream stream, long lostBytes) {
        header.encode(
                Header.TYPE_FRAME,
                flags(frame),
                stream.id(),
                frame.size(),
                frame.sequence(),
                frame.timeNanos(),
                frame.keptSourceOffset(),
                lostBytes);
    }

    /** With all that was lost and that no header has announced so far. */
    static void end(Header header, SinkStream stream) {
        header.encode(
                Header.TYPE_END,
                0,
                stream.id(),
                0,
                stream.pool().nextSequence(),
                0,
                stream.pool().sourcePosition(),
                stream.unannouncedBytes());
    }

    private static int flags(LentFrame frame) {
        return (frame.contiguous() ? Header.FLAG_CONTIGUOUS : 0)
                | (frame.wholeWords() ? Header.FLAG_WHOLE_WORDS : 0)
                | (frame.emitted() ? Header.FLAG_EMITTED : 0)
                | frame.tags() << Header.FIRST_TAG_BIT;
    }
}
