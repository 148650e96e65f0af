// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

import dev.sluice.metrics.SinkCounters;
import dev.sluice.transport.Transfer;
import dev.sluice.wire.Header;
import dev.sluice.wire.Place;
import dev.sluice.wire.Progress;
import dev.sluice.wire.Session;
import dev.sluice.wire.WireException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * What a sink was given for a receiver and is not done with: the frames that wait to be handed to the kernel, those that
 * the kernel may still read, and, with {@code delivery = resume}, those that the receiver has not acknowledged. A frame is
 * released when all of that is over. Connections come and go; this stays.
 *
 * <pre>
 *   waiting ──handed over──▶ held ──acknowledged, and the kernel has let go──▶ released
 *      ▲                      │
 *      └──connection lost─────┘ and wanted: sent again, oldest first
 * </pre>
 *
 * <p>Small frames that wait together are handed over together, as one {@link Batch}: a call for each, and a packet, would
 * cost more than their bytes.
 *
 * <p>Owned by the stream's thread.
 */
public final class Outbox {

    /** So many bytes are handed over together, and the frame that makes them more. */
    private static final int GATHERED_BYTES = 1 << 20;

    /** Headers of outboxes that were abandoned, which a receiver on this machine may still read: as long as this process. */
    private static final Queue<MemorySegment> STILL_READ = new ConcurrentLinkedQueue<>();

    private final List<SinkStream> streams;
    private final Session session;
    private final SinkCounters counters;
    private final boolean oneOfSeveral;

    // By slot: each stream has one for each buffer of its source, from its first slot on. With zero-copy the kernel
    // reads a header for as long as the frame that it belongs to.
    private final int[] firstSlot;
    private final MemorySegment headerMemory;
    private final Header[] headers;
    private final LentFrame[] frames;

    /** Whether it is in its stream's queue. */
    private final boolean[] held;

    /** How many batches that the kernel has not let go of it is in: one for each connection that it was sent over. */
    private final int[] references;

    /** Whether only the receiver can say that nobody reads it any more. */
    private final boolean[] untold;

    /** Whether its header is as it is to be for every connection: the kernel may still read it. */
    private final boolean[] encoded;

    private final boolean[] sentBefore;
    private final long[] lostBytes;
    private final long[] undelivered;

    // By stream.
    private final FrameQueue[] queues;
    private final Header[] endHeaders;
    private final boolean[] finished;

    /** What the receiver may have by now: it can acknowledge no more. */
    private final long[] sentUpTo;

    /** On this connection. */
    private final long[] acknowledgedUpTo;

    private final Transfer end = new Transfer();
    private final Transfer keepAlive = new Transfer();
    private final Header keepAliveHeader;
    private final Transfer bye = new Transfer();
    private final Header byeHeader;
    private final CRC32C crc = new CRC32C();
    private final Deque<Batch> idle = new ArrayDeque<>();

    /** What is being handed over. */
    private @Nullable Batch current;

    private boolean everConnected;
    private boolean endBegun;
    private boolean endSent;
    private boolean retained;

    /** @param oneOfSeveral receivers, who get the same frames; then whoever forks the frames counts what is announced */
    public Outbox(List<SinkStream> streams, Session session, SinkCounters counters, boolean oneOfSeveral) {
        this.streams = streams;
        this.session = session;
        this.counters = counters;
        this.oneOfSeveral = oneOfSeveral;
        int count = streams.size();
        firstSlot = new int[count];
        queues = new FrameQueue[count];
        endHeaders = new Header[count];
        finished = new boolean[count];
        sentUpTo = new long[count];
        acknowledgedUpTo = new long[count];
        int slots = 0;
        for (int stream = 0; stream < count; stream++) {
            firstSlot[stream] = slots;
            slots += streams.get(stream).pool().size();
            queues[stream] = new FrameQueue(streams.get(stream).pool().size());
        }
        headers = new Header[slots];
        frames = new LentFrame[slots];
        held = new boolean[slots];
        references = new int[slots];
        untold = new boolean[slots];
        encoded = new boolean[slots];
        sentBefore = new boolean[slots];
        lostBytes = new long[slots];
        undelivered = new long[slots];
        long bytes = (long) (slots + count + 2) * Header.BYTES;
        headerMemory = Arena.ofAuto().allocate(bytes, Header.BYTES);
        Iterator<MemorySegment> memory = headerMemory
                .elements(MemoryLayout.sequenceLayout(Header.BYTES, ValueLayout.JAVA_BYTE))
                .iterator();
        for (int slot = 0; slot < slots; slot++) {
            headers[slot] = new Header(memory.next());
        }
        for (int stream = 0; stream < count; stream++) {
            endHeaders[stream] = new Header(memory.next());
        }
        keepAliveHeader = new Header(memory.next());
        keepAliveHeader.keepAlive();
        byeHeader = new Header(memory.next());
        byeHeader.bye();
    }

    /** Another frame, which is released at once if the receiver has it already. */
    void give(LentFrame frame) {
        counters.kept.add(frame.size());
        int slot = slot(frame);
        held[slot] = true;
        frames[slot] = frame;
        queues[frame.stream()].add(frame);
        releaseKnown(frame.stream());
    }

    /** Whether frames wait to be handed over. */
    boolean hasWaiting() {
        for (FrameQueue queue : queues) {
            if (queue.waiting() > 0) {
                return true;
            }
        }
        return false;
    }

    /** Whether another frame can be handed over with those that wait, if there are any. */
    boolean wantsFrame() {
        long bytes = 0;
        for (int stream = 0; stream < queues.length; stream++) {
            if (queues[stream].waiting() >= quarter(stream)) {
                return false;
            }
            bytes += queues[stream].waitingBytes();
        }
        return bytes < GATHERED_BYTES;
    }

    /** Frames that were never handed over. */
    int unsentFrames() {
        return count(false);
    }

    /** Frames handed over and not acknowledged. */
    int unacknowledgedFrames() {
        return count(true);
    }

    private int count(boolean sent) {
        int counted = 0;
        for (int slot = 0; slot < held.length; slot++) {
            counted += held[slot] && sentBefore[slot] == sent ? 1 : 0;
        }
        return counted;
    }

    /** Whether a stream holds so many of its source's buffers that others would get too few. */
    boolean holdsMoreThanAQuarter() {
        for (int stream = 0; stream < queues.length; stream++) {
            if (queues[stream].count() >= quarter(stream)) {
                return true;
            }
        }
        return false;
    }

    /** Of its source's buffers: so many may wait for each other. */
    private int quarter(int stream) {
        return Math.max(1, streams.get(stream).pool().size() / 4);
    }

    /** Of what comes after what the receiver had when it connected nothing is known, nor of several receivers. */
    private void releaseKnown(int stream) {
        FrameQueue queue = queues[stream];
        while (!oneOfSeveral && !queue.isEmpty() && streams.get(stream).has(queue.oldest())) {
            LentFrame frame = queue.removeOldest();
            if (!sentBefore[slot(frame)]) {
                streams.get(stream).announced(frame.lostBytes());
                counters.framesKnown.add(1);
            }
            letGo(frame);
        }
    }

    /** A connection begins: what its receiver has is released, and what it wants is sent. */
    void connected(List<Progress> welcome) {
        everConnected = true;
        if (current != null) {
            cut(current); // of a connection whose end nobody told
        }
        for (int stream = 0; stream < welcome.size(); stream++) {
            Progress progress = welcome.get(stream);
            counters.undelivered.add(streams.get(stream).welcomed(progress, session.resumes()));
            sentUpTo[stream] = streams.get(stream).wanted();
            acknowledgedUpTo[stream] = sentUpTo[stream];
            finished[stream] = progress.finished();
            releaseKnown(stream);
        }
    }

    /** The connection is gone: what it did not take whole is sent again, from its start; unless others have it, too. */
    void disconnected() {
        if (current != null) {
            sent(current); // what it took before that was known to be lost
        }
        if (current != null) {
            cut(current);
        }
        endBegun = false;
        endSent = false;
        for (int stream = 0; stream < streams.size(); stream++) {
            queues[stream].rewind();
            streams.get(stream).oldest(oldest(stream));
        }
    }

    private void cut(Batch batch) {
        LentFrame begun = batch.begun();
        if (begun != null) {
            untold[slot(begun)] |= batch.awaitsAcknowledgement();
            counters.framesRepeated.add(oneOfSeveral || sentBefore[slot(begun)] ? 0 : 1);
        }
        current = null;
        batch.cut();
        reaped(batch);
    }

    private Place oldest(int stream) {
        if (queues[stream].isEmpty()) {
            return streams.get(stream).next();
        }
        LentFrame first = queues[stream].oldest();
        return new Place(first.sequence(), first.keptSourceOffset());
    }

    /** What is to be handed to the kernel next, or null if that is all for now. */
    @Nullable
    Transfer next() {
        if (current == null) {
            current = gathered();
        }
        return current;
    }

    /** Frames from their start. Sends of them on a connection that was lost may still be outstanding. */
    private @Nullable Batch gathered() {
        Batch batch = null;
        long bytes = 0;
        boolean more = true;
        for (int i = 0; more; i++) {
            more = false;
            for (FrameQueue queue : queues) { // taking turns, as they came
                if (i < queue.waiting() && bytes < GATHERED_BYTES) {
                    more = true;
                    LentFrame frame = queue.waiting(i);
                    if (batch == null) {
                        batch = idle.isEmpty() ? new Batch() : idle.remove();
                        batch.begin();
                    }
                    add(batch, frame, i == 0);
                    bytes += frame.size();
                }
            }
        }
        return batch;
    }

    /** @param first of its stream in the batch, which announces what was lost on its way */
    private void add(Batch batch, LentFrame frame, boolean first) {
        int slot = slot(frame);
        if (session.framed() && !encoded[slot]) {
            encode(slot, frame, first);
        }
        batch.add(frame, session.framed() ? headers[slot] : null);
        references[slot]++;
    }

    private void encode(int slot, LentFrame frame, boolean first) {
        encoded[slot] = session.resumes(); // else the next connection may have more to announce
        SinkStream stream = streams.get(frame.stream());
        undelivered[slot] = first ? stream.undeliveredBytes() : 0;
        lostBytes[slot] = frame.lostBytes() + undelivered[slot];
        StreamHeaders.frame(headers[slot], frame, stream, lostBytes[slot]);
        if (session.checksums()) {
            headers[slot].checksum(payloadCrc(frame));
        }
    }

    private int payloadCrc(LentFrame frame) {
        crc.reset();
        for (int slice = 0; slice < frame.sliceCount(); slice++) {
            crc.update(frame.memory(slice)
                    .asSlice(frame.sliceOffset(slice), frame.sliceLength(slice))
                    .asByteBuffer());
        }
        return (int) crc.getValue();
    }

    /**
     * One for each stream, together, so that a receiver that has seen one has seen all or a broken connection; then those
     * that it has not seen come again.
     */
    Transfer end() {
        endBegun = true;
        end.clear();
        for (int stream = 0; stream < endHeaders.length; stream++) {
            if (!finished[stream]) {
                StreamHeaders.end(endHeaders[stream], streams.get(stream));
                end.addHeader(endHeaders[stream].address(), Header.BYTES);
                sentUpTo[stream] =
                        Math.max(sentUpTo[stream], streams.get(stream).next().sequence());
            }
        }
        return end;
    }

    /** Says to the receiver that somebody is there. */
    Transfer keepAlive() {
        keepAlive.clear();
        keepAlive.addHeader(keepAliveHeader.address(), Header.BYTES);
        return keepAlive;
    }

    /** Says to the receiver that it was heard to have everything. */
    Transfer bye() {
        bye.clear();
        bye.addHeader(byeHeader.address(), Header.BYTES);
        return bye;
    }

    /** Whether there ever was a receiver. */
    boolean everConnected() {
        return everConnected;
    }

    boolean endSent() {
        return endSent;
    }

    /** The kernel has taken all of it, or some. */
    void sent(Transfer transfer) {
        if (transfer.equals(end) && end.leftBytes() == 0) {
            endSent = true;
        }
        Batch batch = current;
        if (batch == null || !transfer.equals(batch)) {
            return;
        }
        for (LentFrame frame; (frame = batch.nextHandedOver()) != null; ) {
            untold[slot(frame)] |= batch.awaitsAcknowledgement();
            handedOver(frame);
        }
        if (batch.leftBytes() == 0) {
            current = null;
        }
        reaped(batch);
    }

    private void handedOver(LentFrame frame) {
        int slot = slot(frame);
        int number = frame.stream();
        SinkStream stream = streams.get(number);
        sentUpTo[number] = frame.sequence() + 1;
        boolean again = sentBefore[slot];
        stream.handedOver(frame.size(), lostBytes[slot], again ? 0 : undelivered[slot]);
        if (again) {
            counters.framesRepeated.add(1);
        } else {
            counters.framesSent.add(1);
        }
        if (!again && !oneOfSeveral) { // else whoever forks the frames has counted it, once for all receivers
            stream.announced(session.framed() ? lostBytes[slot] : frame.lostBytes());
        }
        if (session.resumes()) {
            sentBefore[slot] = true;
            queues[number].handedOver();
            release(number, acknowledgedUpTo[number]);
        } else {
            letGo(queues[number].removeOldest());
        }
    }

    /** The kernel has let go of it. */
    void settled(Transfer transfer) {
        if (transfer instanceof Batch batch) {
            reaped(batch);
        }
    }

    /** Of what it has taken of a batch, the kernel may have let go. */
    private void reaped(Batch batch) {
        if (batch.outstanding() > 0) {
            return;
        }
        for (LentFrame frame; (frame = batch.nextLetGo()) != null; ) {
            if (--references[slot(frame)] == 0 && !held[slot(frame)]) {
                frame.release();
            }
        }
        if (batch != current) {
            idle.add(batch);
        }
    }

    /** The receiver says what it has of a stream. */
    void acknowledged(Header ack) throws WireException {
        int stream = ack.stream() - streams.getFirst().id();
        if (stream < 0 || stream >= streams.size()) {
            throw new WireException("the receiver acknowledges stream " + ack.stream() + ", which it is not sent");
        }
        // All of it may have come before it is known here that the kernel has taken it.
        long sent = current == null ? sentUpTo[stream] : current.upTo(stream, sentUpTo[stream]);
        if (!oneOfSeveral && ack.sequence() > sent) {
            throw new WireException("the receiver acknowledges frames up to " + ack.sequence() + " of stream "
                    + ack.stream() + ", and was sent only those up to " + sent);
        }
        if (ack.sequence() > 0) {
            streams.get(stream).acknowledged();
        }
        acknowledgedUpTo[stream] = Math.max(acknowledgedUpTo[stream], ack.sequence());
        release(stream, ack.sequence());
        if (ack.finished() && endBegun) {
            finished[stream] = true;
        }
    }

    /** Of those that are known to be handed over. */
    private void release(int stream, long before) {
        FrameQueue queue = queues[stream];
        while (queue.oldestIsSent() && queue.oldest().sequence() < before) {
            letGo(queue.removeOldest());
        }
    }

    /** It is neither to be sent nor waited for any more; the kernel may still read it. */
    private void letGo(LentFrame frame) {
        int slot = slot(frame);
        held[slot] = false;
        encoded[slot] = false;
        sentBefore[slot] = false;
        untold[slot] = false;
        if (references[slot] == 0) {
            frame.release();
        }
    }

    /** Whether everything was handed over and, where frames are held, acknowledged. */
    boolean isDone() {
        for (FrameQueue queue : queues) {
            if (!queue.isEmpty()) {
                return false;
            }
        }
        return true;
    }

    /** Whether the receiver said of all streams that their END has come. */
    boolean isFinished() {
        for (boolean one : finished) {
            if (!one) {
                return false;
            }
        }
        return true;
    }

    /** Drops all frames. What the kernel has of them is the kernel's: then reaping releases them. */
    void dropAll() {
        for (FrameQueue queue : queues) {
            while (!queue.isEmpty()) {
                letGo(queue.removeOldest());
            }
        }
    }

    /** The stage ends, and another will go on: what is held stays held while the source changes hands. */
    void retain() {
        retained = true;
        for (int slot = 0; slot < held.length; slot++) {
            if (held[slot]) {
                frames[slot].lent().retain(1);
            }
            keepIfOutstanding(slot);
        }
    }

    /** The stage that goes on is there. */
    void goOn() {
        for (int slot = 0; slot < held.length && retained; slot++) {
            if (held[slot]) {
                frames[slot].lent().retain(-1);
            }
        }
        retained = false;
    }

    /**
     * The stage ends, and none will go on: what the kernel still holds is kept from the devices for good, all else is for
     * whoever reclaims what was lent.
     */
    public void abandon() {
        goOn();
        boolean read = unacknowledgedFrames() > 0;
        for (int slot = 0; slot < held.length; slot++) {
            read |= references[slot] > 0 || untold[slot]; // also of a frame that is only begun
        }
        if (read) {
            STILL_READ.add(headerMemory);
        }
        for (FrameQueue queue : queues) {
            queue.clear();
        }
        for (int slot = 0; slot < held.length; slot++) {
            held[slot] = false;
            encoded[slot] = false;
            sentBefore[slot] = false;
            keepIfOutstanding(slot);
        }
    }

    private void keepIfOutstanding(int slot) {
        if (references[slot] > 0 || (untold[slot] && !held[slot])) {
            frames[slot].lent().pool().keepFromDevice(frames[slot]);
        }
    }

    private int slot(LentFrame frame) {
        return firstSlot[frame.stream()] + frame.buffer();
    }
}
