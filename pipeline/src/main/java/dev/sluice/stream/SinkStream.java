// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

import java.io.IOException;
import java.util.List;

/**
 * One of the streams that a sink takes: frames of one source by one way. What a receiver must know at its end is counted
 * here. Owned by the stream's thread.
 */
public final class SinkStream {

    private final FramePool pool;
    private final int id;
    private long droppedBytes;
    private long announcedBytes;

    /**
     * Begins with the next frame of the source: what was lost before is no loss of this stream.
     *
     * @param id its number in headers
     */
    public SinkStream(FramePool pool, int id) {
        this.pool = pool;
        this.id = id;
        this.announcedBytes = pool.lostBytes();
    }

    /** Gives the devices back what was released, by whoever; for a stage that is about to wait. */
    static void flush(List<SinkStream> streams) throws IOException {
        for (int i = 0; i < streams.size(); i++) { // no iterator: this is on the way of every frame
            streams.get(i).pool.flush();
        }
    }

    FramePool pool() {
        return pool;
    }

    int id() {
        return id;
    }

    /** The sink was full: so many bytes that it should have had it did not get. */
    void dropped(long bytes) {
        droppedBytes += bytes;
    }

    /** A header that carried so many lost bytes went out. */
    void announced(long lostBytes) {
        announcedBytes += lostBytes;
    }

    /** Lost at the source or dropped, and in no header so far. */
    long unannouncedBytes() {
        return pool.lostBytes() + droppedBytes - announcedBytes;
    }
}
