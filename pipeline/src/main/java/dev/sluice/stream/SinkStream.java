// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

import dev.sluice.wire.Place;
import dev.sluice.wire.Progress;
import java.io.IOException;
import java.util.List;

/**
 * One of the streams that a sink takes: frames of one source by one way. What its receiver has, and what it must know at
 * the end, is counted here. Owned by the stream's thread.
 */
public final class SinkStream {

    private final FramePool pool;
    private final int id;

    /** Lost at the source before frames of this stream, or dropped: what headers must announce in all. */
    private long droppedBytes;

    private long announcedBytes;
    private long carriedBytes;

    // Of one receiver, who may come back.

    /** Whether it ever said that it has some: until then, whoever comes next may be the same one. */
    private boolean hasSome;

    private long wanted;
    private long sentBytes;
    private long sentLostBytes;

    /** What it had, by its own word, when it connected last: only what was sent after that can be lost on its way. */
    private long hadBytes;

    private long hadLostBytes;
    private long undeliveredBytes;

    /** Written between connections; read by whoever makes the next one. */
    private volatile Place oldest = Place.START;

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

    /** Its number in headers. */
    public int id() {
        return id;
    }

    /** Of the stream of bytes that the source's positions count in. */
    public long identity() {
        return pool.identity();
    }

    /** The first frame that can still be sent, or a lower bound of it; any thread. */
    public Place oldest() {
        return oldest;
    }

    /** The frame behind the last one that was acquired. */
    Place next() {
        return new Place(pool.nextSequence(), pool.sourcePosition());
    }

    void oldest(Place place) {
        oldest = place;
    }

    /** The sink was full: so many bytes that it should have had it did not get. */
    void dropped(long bytes) {
        droppedBytes += bytes;
    }

    /** Lost with or before frames that were dropped: a frame behind them will announce it. */
    void carry(long lostBytes) {
        carriedBytes += lostBytes;
    }

    /** What is carried, by whoever announces it from now on. */
    long takeCarried() {
        long carried = carriedBytes;
        carriedBytes = 0;
        return carried;
    }

    /** A header that carried so many lost bytes went out. */
    void announced(long lostBytes) {
        announcedBytes += lostBytes;
    }

    /** Lost at the source or dropped, and in no header so far. */
    long unannouncedBytes() {
        return pool.lostBytes() + droppedBytes - announcedBytes;
    }

    /**
     * The receiver is there, again or for the first time, and says what it has. One that is new has no claim to what
     * another had; but what nobody is known to have had was lost to it.
     *
     * @param held whether what it lacks is still held, and sent again
     * @return bytes that were sent to it, and lost on their way for good; they are announced with the next frame
     */
    long welcomed(Progress progress, boolean held) {
        boolean another = progress.isNew() && hasSome;
        long receivedBytes = progress.isNew() ? 0 : progress.receivedBytes();
        long receivedLostBytes = progress.isNew() ? 0 : progress.lostBytes();
        wanted = progress.isNew() ? 0 : progress.next().sequence();
        hasSome = !progress.isNew();
        long gone = 0;
        if (!held && !another) {
            gone = Math.clamp(sentBytes - receivedBytes, 0, sentBytes - hadBytes);
            long lostAgain = Math.clamp(sentLostBytes - receivedLostBytes, 0, sentLostBytes - hadLostBytes);
            undeliveredBytes += gone + lostAgain;
            droppedBytes += gone;
            announcedBytes -= lostAgain;
        }
        sentBytes = receivedBytes;
        sentLostBytes = receivedLostBytes;
        hadBytes = sentBytes;
        hadLostBytes = sentLostBytes;
        return gone;
    }

    /** The receiver acknowledges that it has some of it. */
    void acknowledged() {
        hasSome = true;
    }

    /** Whether the receiver has this frame already, from an earlier connection. */
    boolean has(LentFrame frame) {
        return frame.sequence() < wanted;
    }

    /** The sequence of the first frame that it wanted when it connected. */
    long wanted() {
        return wanted;
    }

    /** Bytes lost on their way to the receiver, which the next header announces. */
    long undeliveredBytes() {
        return undeliveredBytes;
    }

    /**
     * A frame was handed over whole.
     *
     * @param lostBytes announced by its header, those undelivered included
     * @param undelivered the share of {@code lostBytes} that was lost on its way
     */
    void handedOver(long payloadBytes, long lostBytes, long undelivered) {
        sentBytes += payloadBytes;
        sentLostBytes += lostBytes;
        undeliveredBytes -= undelivered;
    }
}
