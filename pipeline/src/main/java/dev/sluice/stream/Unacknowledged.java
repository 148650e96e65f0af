// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

/**
 * Frames of one stream that the receiver has not acknowledged, oldest first. After a reconnect they are sent again in this
 * order. Owned by the stream's thread.
 */
final class Unacknowledged {

    private final LentFrame[] ring;
    private int oldest;
    private int count;

    /** How many of them, from the oldest on, were handed over to the connection that there is now. */
    private int sent;

    /** @param most frames at once: as many as the source has buffers */
    Unacknowledged(int most) {
        ring = new LentFrame[most];
    }

    boolean isEmpty() {
        return count == 0;
    }

    int count() {
        return count;
    }

    LentFrame oldest() {
        return ring[oldest];
    }

    LentFrame removeOldest() {
        LentFrame frame = ring[oldest];
        oldest = (oldest + 1) % ring.length;
        count--;
        sent = Math.max(0, sent - 1);
        return frame;
    }

    /** Behind all others, and not handed over to the connection that there is now. */
    void add(LentFrame frame) {
        ring[(oldest + count) % ring.length] = frame;
        count++;
    }

    void clear() {
        count = 0;
        sent = 0;
    }

    /** The connection is another one. */
    void rewind() {
        sent = 0;
    }

    /** Whether some of them were not handed over to the connection that there is now. */
    boolean behind() {
        return sent < count;
    }

    /** The first of these. */
    LentFrame next() {
        return ring[(oldest + sent) % ring.length];
    }

    /** It was handed over. */
    void sent() {
        sent++;
    }
}
