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
import java.util.Iterator;
import java.util.List;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * What a sink was given for a receiver and is not done with: the frame that is being handed to the kernel, those that the
 * kernel may still read, and, with {@code delivery = resume}, those that the receiver has not acknowledged. A frame is
 * released when all of that is over. Connections come and go; this stays.
 *
 * <pre>
 *   given ──handed over──▶ held ──acknowledged and settled──▶ released
 *     ▲                      │
 *     └──connection lost─────┘ and wanted: sent again, oldest first
 * </pre>
 *
 * <p>Owned by the stream's thread.
 */
public final class Outbox {

    private final List<SinkStream> streams;
    private final Session session;
    private final SinkCounters counters;
    private final boolean oneOfSeveral;

    // By slot: each stream has one for each buffer of its source, from its first slot on. With zero-copy the kernel
    // reads
    // a header for as long as the frame that it belongs to.
    private final int[] firstSlot;
    private final Transfer[] transfers;
    private final Header[] headers;
    private final LentFrame[] frames;
    private final boolean[] held;
    private final boolean[] sentBefore;
    private final long[] lostBytes;
    private final long[] undelivered;

    // By stream.
    private final Unacknowledged[] unacknowledged;
    private final Header[] endHeaders;
    private final boolean[] finished;

    /** What the receiver may have by now: it can acknowledge no more. */
    private final long[] sentUpTo;

    /** On this connection. */
    private final long[] acknowledgedUpTo;

    private final Transfer end = new Transfer(Transfer.NO_BUFFER);
    private final Transfer keepAlive = new Transfer(Transfer.NO_BUFFER);
    private final Header keepAliveHeader;
    private final Transfer bye = new Transfer(Transfer.NO_BUFFER);
    private final Header byeHeader;
    private final CRC32C crc = new CRC32C();

    /** Came last, and was not handed over whole. */
    private @Nullable LentFrame given;

    /** What is being handed over: {@code given}, or one that is held and is sent again. */
    private @Nullable LentFrame current;

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
        unacknowledged = new Unacknowledged[count];
        endHeaders = new Header[count];
        finished = new boolean[count];
        sentUpTo = new long[count];
        acknowledgedUpTo = new long[count];
        int slots = 0;
        for (int stream = 0; stream < count; stream++) {
            firstSlot[stream] = slots;
            slots += streams.get(stream).pool().size();
            unacknowledged[stream] =
                    new Unacknowledged(streams.get(stream).pool().size());
        }
        transfers = new Transfer[slots];
        headers = new Header[slots];
        frames = new LentFrame[slots];
        held = new boolean[slots];
        sentBefore = new boolean[slots];
        lostBytes = new long[slots];
        undelivered = new long[slots];
        long bytes = (long) (slots + count + 2) * Header.BYTES;
        Iterator<MemorySegment> memory = Arena.ofAuto()
                .allocate(bytes, Header.BYTES)
                .elements(MemoryLayout.sequenceLayout(Header.BYTES, ValueLayout.JAVA_BYTE))
                .iterator();
        for (int slot = 0; slot < slots; slot++) {
            transfers[slot] = new Transfer(slot);
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

    /**
     * The next frame, once the one before is handed over.
     *
     * @return false if the receiver has it already, and it is released
     */
    boolean give(LentFrame frame) {
        counters.kept.add(frame.size());
        given = frame;
        return !skipped();
    }

    /** Whether another frame can be given. */
    boolean wantsFrame() {
        return given == null;
    }

    /** Frames handed over and not acknowledged. */
    int heldFrames() {
        int all = 0;
        for (Unacknowledged one : unacknowledged) {
            all += one.count();
        }
        return all;
    }

    /** Whether a stream holds so many of its source's buffers that others would get too few. */
    boolean holdsMoreThanAQuarter() {
        for (int stream = 0; stream < unacknowledged.length; stream++) {
            if (unacknowledged[stream].count()
                    >= Math.max(1, streams.get(stream).pool().size() / 4)) {
                return true;
            }
        }
        return false;
    }

    private boolean skipped() {
        LentFrame frame = given;
        if (frame == null || oneOfSeveral || !streams.get(frame.stream()).has(frame)) {
            return false;
        }
        streams.get(frame.stream()).announced(frame.lostBytes());
        counters.framesKnown.add(1);
        transfers[slot(frame)].acknowledged();
        letGo();
        return true;
    }

    /** A connection begins: what its receiver has is released, and what it wants is sent. */
    void connected(List<Progress> welcome) {
        everConnected = true;
        current = null;
        for (int stream = 0; stream < welcome.size(); stream++) {
            Progress progress = welcome.get(stream);
            counters.undelivered.add(streams.get(stream).welcomed(progress, session.resumes()));
            sentUpTo[stream] = streams.get(stream).wanted();
            acknowledgedUpTo[stream] = sentUpTo[stream];
            finished[stream] = progress.finished();
            release(stream, sentUpTo[stream]);
            unacknowledged[stream].rewind();
        }
        skipped();
    }

    /** The connection is gone: what it did not take whole is sent again, from its start; unless others have it, too. */
    void disconnected() {
        LentFrame frame = current;
        if (!oneOfSeveral && frame != null && frame.equals(given) && transfers[slot(frame)].begun()) {
            counters.framesRepeated.add(1);
        }
        current = null;
        endBegun = false;
        endSent = false;
        for (int stream = 0; stream < streams.size(); stream++) {
            streams.get(stream).oldest(oldest(stream));
        }
    }

    private Place oldest(int stream) {
        LentFrame first = unacknowledged[stream].isEmpty() ? given : unacknowledged[stream].oldest();
        return first != null && first.stream() == stream
                ? new Place(first.sequence(), first.keptSourceOffset())
                : streams.get(stream).next();
    }

    /** What is to be handed to the kernel next, or null if that is all for now. */
    @Nullable
    Transfer next() {
        for (Unacknowledged one : unacknowledged) {
            if (one.behind()) {
                current = one.next();
                return prepared(current);
            }
        }
        LentFrame frame = given;
        if (frame == null) {
            return null;
        }
        current = frame;
        return prepared(frame);
    }

    /** The frame, from its start. Sends of it on a connection that was lost may still be outstanding. */
    private Transfer prepared(LentFrame frame) {
        int slot = slot(frame);
        Transfer transfer = transfers[slot];
        transfer.clear();
        if (session.framed()) {
            if (!sentBefore[slot]) {
                encode(slot, frame);
            }
            transfer.addHeader(headers[slot].address(), Header.BYTES);
        }
        frames[slot] = frame;
        for (int slice = 0; slice < frame.sliceCount(); slice++) {
            transfer.add(frame.sliceAddress(slice), frame.sliceLength(slice));
        }
        return transfer;
    }

    private void encode(int slot, LentFrame frame) {
        SinkStream stream = streams.get(frame.stream());
        undelivered[slot] = stream.undeliveredBytes();
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

    /** The kernel has taken all of it. */
    void handedOver(Transfer transfer) {
        if (transfer == end) {
            endSent = true;
        }
        LentFrame frame = current;
        if (transfer.slot() == Transfer.NO_BUFFER || frame == null) {
            return;
        }
        current = null;
        int slot = transfer.slot();
        SinkStream stream = streams.get(frame.stream());
        sentUpTo[frame.stream()] = frame.sequence() + 1;
        boolean again = sentBefore[slot];
        stream.handedOver(frame.size(), lostBytes[slot], again ? 0 : undelivered[slot]);
        if (!held[slot]) {
            given = null;
        }
        if (session.resumes()) {
            sentBefore[slot] = true;
            hold(frame).sent();
            release(frame.stream(), Math.min(acknowledgedUpTo[frame.stream()], frame.sequence() + 1));
        }
        if (again) {
            counters.framesRepeated.add(1);
            return;
        }
        counters.framesSent.add(1);
        if (!oneOfSeveral) { // else whoever forks the frames has counted it, once for all receivers
            stream.announced(session.framed() ? lostBytes[slot] : frame.lostBytes());
        }
        if (!session.resumes() && held[slot]) {
            release(frame.stream(), frame.sequence() + 1); // it waited for this stage only, and for no acknowledgement
        } else if (!session.resumes() && transfer.settled()) {
            frame.release();
        }
    }

    private Unacknowledged hold(LentFrame frame) {
        Unacknowledged waiting = unacknowledged[frame.stream()];
        if (!held[slot(frame)]) {
            held[slot(frame)] = true;
            frames[slot(frame)] = frame;
            waiting.add(frame);
        }
        return waiting;
    }

    /** What was given waits to be sent, and another frame can be given. */
    void holdGiven() {
        LentFrame frame = given;
        if (frame != null) {
            given = null;
            hold(frame);
        }
    }

    /** The kernel has let go of it. */
    void settled(Transfer transfer) {
        LentFrame waits = given; // also one that a connection has taken before it was lost
        boolean isGiven = waits != null && slot(waits) == transfer.slot();
        if (transfer.slot() != Transfer.NO_BUFFER && !held[transfer.slot()] && !isGiven) {
            frames[transfer.slot()].release();
        }
    }

    /** The receiver says what it has of a stream. */
    void acknowledged(Header ack) throws WireException {
        int stream = ack.stream() - streams.getFirst().id();
        if (stream < 0 || stream >= streams.size()) {
            throw new WireException("the receiver acknowledges stream " + ack.stream() + ", which it is not sent");
        }
        LentFrame sending = current;
        long beingSent = sending != null && sending.stream() == stream ? sending.sequence() : Long.MAX_VALUE;
        // All of it may have come before it is known here that the kernel has taken it.
        long sent = beingSent == Long.MAX_VALUE ? sentUpTo[stream] : Math.max(sentUpTo[stream], beingSent + 1);
        if (!oneOfSeveral && ack.sequence() > sent) {
            throw new WireException("the receiver acknowledges frames up to " + ack.sequence() + " of stream "
                    + ack.stream() + ", and was sent only those up to " + sent);
        }
        if (ack.sequence() > 0) {
            streams.get(stream).acknowledged();
        }
        acknowledgedUpTo[stream] = Math.max(acknowledgedUpTo[stream], ack.sequence());
        release(stream, Math.min(ack.sequence(), beingSent));
        if (ack.finished() && endBegun) {
            finished[stream] = true;
        }
    }

    private void release(int stream, long before) {
        Unacknowledged waiting = unacknowledged[stream];
        while (!waiting.isEmpty() && waiting.oldest().sequence() < before) {
            LentFrame frame = waiting.removeOldest();
            held[slot(frame)] = false;
            sentBefore[slot(frame)] = false;
            transfers[slot(frame)].acknowledged();
            letGo(frame);
        }
    }

    /** Whether everything was handed over and, where frames are held, acknowledged. */
    boolean isDone() {
        return given == null && heldFrames() == 0;
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

    /** Lets go of a frame that is not sent whole. What the kernel has of it is the kernel's: then reaping releases it. */
    void letGo() {
        LentFrame frame = given;
        given = null;
        current = null;
        if (frame != null) {
            letGo(frame);
        }
    }

    private void letGo(LentFrame frame) {
        int slot = slot(frame);
        transfers[slot].clear();
        frames[slot] = frame;
        if (transfers[slot].outstanding() == 0) {
            frame.release();
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
        given = null;
        current = null;
        for (Unacknowledged one : unacknowledged) {
            one.clear();
        }
        for (int slot = 0; slot < transfers.length; slot++) {
            held[slot] = false;
            sentBefore[slot] = false;
            transfers[slot].clear();
            keepIfOutstanding(slot);
        }
    }

    private void keepIfOutstanding(int slot) {
        if (transfers[slot].outstanding() > 0 || (transfers[slot].awaitsAcknowledgement() && !held[slot])) {
            frames[slot].lent().pool().keepFromDevice(frames[slot]);
        }
    }

    private int slot(LentFrame frame) {
        return firstSlot[frame.stream()] + frame.buffer();
    }
}
