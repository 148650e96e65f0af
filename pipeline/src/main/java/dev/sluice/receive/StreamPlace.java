// SPDX-License-Identifier: Apache-2.0
package dev.sluice.receive;

import dev.sluice.wire.Place;
import dev.sluice.wire.Progress;

/** How far one stream has come with its last whole frame. */
final class StreamPlace {

    final long identity;

    /** Nothing has come, and the stream may begin anywhere. */
    boolean isNew = true;

    boolean ended;
    long nextSequence;

    /** The least position at which the next frame can start. */
    long nextPosition;

    long frames;
    long bytes;
    long lostBytes;
    long skippedBytes;

    StreamPlace(long identity) {
        this.identity = identity;
    }

    /** Counts what came of another stream, too. */
    void add(StreamPlace other) {
        frames = sum(frames, other.frames);
        bytes = sum(bytes, other.bytes);
        lostBytes = sum(lostBytes, other.lostBytes);
        skippedBytes = sum(skippedBytes, other.skippedBytes);
    }

    /** Of counts that a sender may have made up: what is too large stays the largest there is. */
    static long sum(long count, long more) {
        return more > Long.MAX_VALUE - count ? Long.MAX_VALUE : count + more;
    }

    Progress progress() {
        return new Progress(isNew, ended, new Place(nextSequence, nextPosition), bytes, lostBytes);
    }
}
