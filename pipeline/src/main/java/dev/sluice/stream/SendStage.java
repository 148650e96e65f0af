// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

import dev.sluice.linux.Constants;
import dev.sluice.linux.LinuxException;
import dev.sluice.metrics.SinkCounters;
import dev.sluice.transport.ConnectionLostException;
import dev.sluice.transport.Transfer;
import dev.sluice.transport.Transport;
import dev.sluice.wire.Framing;
import dev.sluice.wire.Header;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.function.Consumer;
import org.apache.pekko.Done;
import org.apache.pekko.NotUsed;
import org.apache.pekko.japi.Pair;
import org.apache.pekko.stream.Attributes;
import org.apache.pekko.stream.Inlet;
import org.apache.pekko.stream.SinkShape;
import org.apache.pekko.stream.stage.AbstractGraphStageWithMaterializedValue;
import org.apache.pekko.stream.stage.AbstractInHandler;
import org.apache.pekko.stream.stage.AsyncCallback;
import org.apache.pekko.stream.stage.GraphStageLogic;
import org.apache.pekko.stream.stage.TimerGraphStageLogic;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import scala.jdk.javaapi.FutureConverters;

/**
 * Sends frames over one connection at a time, reaps the completions and releases the frames. Connections are made
 * elsewhere and handed in; while there is none, one frame waits here and all others in the device.
 *
 * <p>One frame is handed to the kernel at a time, any number may be outstanding there. A frame that a connection did not
 * take whole is sent again, from its start, on the next one: every connection begins at the start of a frame. As one slot
 * of several {@link Receivers}, whose next connection is another receiver's, it lets go of that frame instead, and gets
 * none while there is no connection.
 *
 * <pre>
 *   STREAMING ──upstream ends──▶ ENDING (END header, framing = sluice) ──▶ FLUSHING ──all acknowledged──▶ done
 *       └──────upstream fails, drain time-out──────────────────────────────────▲
 *   STREAMING ──upstream ends, handed over──▶ LEAVING ──all reaped──▶ done, the connection left open
 * </pre>
 *
 * <p>The materialized value's future fails if a frame was not sent, or if what the last connection took was not
 * acknowledged. What an earlier connection took and did not deliver is counted, not a failure: delivery is live.
 */
public final class SendStage extends AbstractGraphStageWithMaterializedValue<SinkShape<LentFrame>, SendStage.Control> {

    /** How often a socket is looked at that will raise no event: one aborted, or one that only waits for its ACKs. */
    private static final Duration LOOK_AGAIN = Duration.ofMillis(5);

    /** Looks at an aborted connection's completions, once the stream has been dropped: 1 s. They come at once. */
    private static final int MOST_LOOKS_WHEN_DROPPED = 200;

    /** The slot of the END headers, which belong to no buffer. */
    private static final int NO_FRAME = -1;

    /** What FIN counts among the unacknowledged bytes. */
    private static final int FIN = 1;

    private static final Logger LOG = LoggerFactory.getLogger(SendStage.class);

    private final Inlet<LentFrame> in = Inlet.create("SendStage.in");
    private final SinkShape<LentFrame> shape = SinkShape.of(in);
    private final List<SinkStream> streams;
    private final Reactor reactor;
    private final Framing framing;
    private final SinkCounters counters;
    private final Duration drainTimeout;
    private final Consumer<String> lost;
    private final Receivers.@Nullable Slot receiver;

    /**
     * @param streams those whose frames come in, by the numbers that the frames are marked with
     * @param drainTimeout how long the rest may take once the stream is told to drain, or fails
     * @param lost told why when a connection is lost; another is then awaited. Must not block
     */
    public SendStage(
            List<SinkStream> streams,
            Reactor reactor,
            Framing framing,
            SinkCounters counters,
            Duration drainTimeout,
            Consumer<String> lost) {
        this(streams, reactor, framing, counters, drainTimeout, lost, null);
    }

    /** @param receiver the slot, of several, that it sends for; null if there is only one receiver */
    public SendStage(
            List<SinkStream> streams,
            Reactor reactor,
            Framing framing,
            SinkCounters counters,
            Duration drainTimeout,
            Consumer<String> lost,
            Receivers.@Nullable Slot receiver) {
        this.streams = streams;
        this.reactor = reactor;
        this.framing = framing;
        this.counters = counters;
        this.drainTimeout = drainTimeout;
        this.lost = lost;
        this.receiver = receiver;
    }

    /** For whoever makes the connections; any thread. */
    public interface Control extends SinkControl {
        /** A connection to send over, which is the stage's from now on; a stage that has stopped closes it. */
        void connected(Transport transport);

        /**
         * A connection to send over, which is the stage's from now on, unless it has stopped.
         *
         * @param refused called, by any thread, if it has: then the connection is the caller's
         */
        void connected(Transport transport, Runnable refused);

        /** After {@link #handOver} and the end: the connection that the stage left as it was, if it still had one. */
        @Nullable
        Transport left();
    }

    @Override
    public SinkShape<LentFrame> shape() {
        return shape;
    }

    @Override
    public Pair<GraphStageLogic, Control> createLogicAndMaterializedValuePair(Attributes inherited) {
        Logic logic = new Logic();
        return Pair.create(logic, logic);
    }

    private enum Phase {
        STREAMING,
        ENDING,
        FLUSHING,
        LEAVING
    }

    /** A connection, and the one event it is waiting for. */
    private static final class Link {

        final Transport transport;
        private Reactor.@Nullable Registration registration;

        /** Written by the reactor before it calls back, read by the stage after that. */
        private volatile int events;

        /** What the reactor was asked to report, once; -1 if nothing, or if it has. */
        private int armed = -1;

        Link(Transport transport) {
            this.transport = transport;
        }

        /** Errors are reported whatever was asked, so asking for 0 adds nothing to a request that stands. */
        void arm(int interest) throws LinuxException {
            if (registration != null && armed < interest) {
                registration.arm(interest);
                armed = interest;
            }
        }

        void unregister() {
            if (registration != null) {
                registration.close();
                registration = null;
            }
        }
    }

    @FunctionalInterface
    private interface Step {
        void run() throws IOException;
    }

    private final class Logic extends TimerGraphStageLogic implements Control {

        private static final String LOOK = "look";
        private static final String GIVE_UP = "give up";

        private final CompletableFuture<Done> ended = new CompletableFuture<>();
        private final AsyncCallback<Transport> onConnected = createAsyncCallback(this::take);
        private final AsyncCallback<Link> onReady = createAsyncCallback(this::socketReady);
        private final AsyncCallback<NotUsed> onDrain = createAsyncCallback(ignored -> limitRest());
        private final AsyncCallback<NotUsed> onHandOver = createAsyncCallback(ignored -> beginHandOver());
        private final Consumer<Transfer> onSettled = this::settled;

        // By slot: each stream has one for each buffer of its source, from its first slot on.
        private final int[] firstSlot = new int[streams.size()];
        private final Transfer[] transfers;
        private final Header[] headers;
        private final LentFrame[] frames;

        private final Transfer end = new Transfer(NO_FRAME);
        private final Header[] endHeaders = new Header[streams.size()];
        private final List<Transport> aborted = new ArrayList<>();

        private Phase phase = Phase.STREAMING;
        private @Nullable Link link;
        private boolean handingOver;

        /** Written before the future completes, read after. */
        private volatile @Nullable Transport left;

        /** What is being handed to the kernel: {@code current}'s bytes, or the END header. */
        private @Nullable Transfer sending;

        private @Nullable LentFrame current;
        private boolean everConnected;
        private boolean endSent;
        private boolean limited;
        private @Nullable Throwable failure;
        private int looksLeft = Integer.MAX_VALUE;

        Logic() {
            super(shape);
            // One header per buffer: with zero-copy the kernel reads it for as long as the frame it belongs to.
            int slots = 0;
            for (int stream = 0; stream < firstSlot.length; stream++) {
                firstSlot[stream] = slots;
                slots += streams.get(stream).pool().size();
            }
            transfers = new Transfer[slots];
            headers = new Header[slots];
            frames = new LentFrame[slots];
            long bytes = (long) (slots + endHeaders.length) * Header.BYTES;
            Iterator<MemorySegment> memory = Arena.ofAuto()
                    .allocate(bytes, Header.BYTES)
                    .elements(MemoryLayout.sequenceLayout(Header.BYTES, ValueLayout.JAVA_BYTE))
                    .iterator();
            for (int slot = 0; slot < slots; slot++) {
                transfers[slot] = new Transfer(slot);
                headers[slot] = new Header(memory.next());
            }
            for (int stream = 0; stream < endHeaders.length; stream++) {
                endHeaders[stream] = new Header(memory.next());
            }
            setHandler(in, new AbstractInHandler() {
                @Override
                public void onPush() {
                    LentFrame frame = grab(in);
                    counters.kept.add(frame.size());
                    current = frame;
                    prepare();
                    if (receiver != null && link == null) {
                        letGoOfCurrent(); // the receiver left while the frame was on its way here
                    }
                    step(Logic.this::proceed);
                }

                @Override
                public void onUpstreamFinish() {
                    phase = Phase.ENDING;
                    step(Logic.this::proceed);
                }

                // What was acquired before still goes out whole, but no END: the receiver shall not take it for all.
                @Override
                public void onUpstreamFailure(Throwable cause) {
                    failure = cause;
                    phase = Phase.ENDING;
                    limitRest();
                    step(Logic.this::proceed);
                }
            });
        }

        @Override
        public void preStart() {
            setKeepGoing(true);
        }

        @Override
        public void connected(Transport transport) {
            connected(transport, () -> refuse(transport));
        }

        @Override
        public void connected(Transport transport, Runnable refused) {
            FutureConverters.asJava(onConnected.invokeWithFeedback(transport)).exceptionally(stopped -> {
                refused.run();
                return Done.getInstance();
            });
        }

        @Override
        public void drain() {
            onDrain.invoke(NotUsed.getInstance());
        }

        @Override
        public void handOver() {
            onHandOver.invoke(NotUsed.getInstance());
        }

        @Override
        public CompletionStage<Done> ended() {
            return ended;
        }

        @Override
        public @Nullable Transport left() {
            return left;
        }

        private void beginHandOver() {
            handingOver = true;
            limitRest();
        }

        @Override
        public void onTimer(Object key) {
            step(key.equals(GIVE_UP) ? this::giveUp : this::lookAgain);
        }

        /** Once: being told to drain again gives no more time. */
        private void limitRest() {
            if (!limited) {
                limited = true;
                scheduleOnce(GIVE_UP, drainTimeout);
            }
        }

        /** Everything that happens here happens in a step, so that no error escapes without a connection being reaped. */
        private void step(Step step) {
            try {
                step.run();
            } catch (ConnectionLostException e) {
                step(() -> connectionLost(e.reason()));
            } catch (IOException | RuntimeException e) {
                if (failure == null) {
                    failure = e;
                }
                dropEverything();
            }
        }

        private void take(Transport transport) {
            if (link != null || phase == Phase.FLUSHING) {
                refuse(transport);
                return;
            }
            Link taken = new Link(transport);
            taken.registration = reactor.register(transport.fd(), events -> {
                taken.events = events;
                onReady.invoke(taken);
            });
            link = taken;
            everConnected = true;
            if (receiver != null) {
                receiver.connected(true);
            }
            step(this::proceed);
        }

        private static void refuse(Transport transport) {
            transport.abort();
            transport.close();
        }

        /** Goes as far as the socket lets it, then asks for the next frame or waits. */
        private void proceed() throws IOException {
            while (true) {
                if (sending == null && phase == Phase.STREAMING) {
                    if (link == null || hasBeenPulled(in)) {
                        break;
                    }
                    pull(in);
                    link.arm(0);
                    return; // without a flush: the acquire that answers the pull makes one, for a whole batch
                }
                if (sending == null && handingOver && failure == null) {
                    phase = Phase.LEAVING;
                    lookAgain();
                    return;
                }
                if (sending == null && endIsDue()) {
                    prepareEnd();
                }
                if (sending == null) {
                    startFlushing();
                    return;
                }
                Link to = link;
                if (to == null) {
                    break;
                }
                Transport.Progress progress = to.transport.send(sending);
                if (progress == Transport.Progress.SENT) {
                    handedOver();
                } else {
                    to.arm(progress == Transport.Progress.AWAIT_WRITABLE ? Constants.EPOLLOUT : 0);
                    SinkStream.flush(streams);
                    return;
                }
            }
            if (link != null) {
                link.arm(0); // completions, and the loss of the connection, are reported as errors
            }
            SinkStream.flush(streams);
        }

        /**
         * A receiver that never had a connection needs no END, nor does one that left its slot; and one that gets less than
         * all must have none.
         */
        private boolean endIsDue() {
            boolean awaited = receiver == null ? everConnected : link != null;
            return framing == Framing.SLUICE && awaited && failure == null && !endSent;
        }

        private void handedOver() {
            LentFrame frame = current;
            if (frame == null) {
                endSent = true;
            } else {
                counters.framesSent.add(1);
                if (receiver == null) { // else whoever forks the frames has counted it, once for all slots
                    streams.get(frame.stream()).announced(frame.lostBytes());
                }
                current = null;
                if (transfers[slot(frame)].settled()) {
                    frame.release();
                }
            }
            sending = null;
        }

        private void settled(Transfer transfer) {
            if (transfer.slot() != NO_FRAME) {
                frames[transfer.slot()].release();
            }
        }

        private int slot(LentFrame frame) {
            return firstSlot[frame.stream()] + frame.buffer();
        }

        /** The current frame, from its start. Sends of it on a connection that was lost may still be outstanding. */
        private void prepare() {
            LentFrame frame = current;
            if (frame == null) {
                return;
            }
            int slot = slot(frame);
            Transfer transfer = transfers[slot];
            frames[slot] = frame;
            transfer.clear();
            if (framing == Framing.SLUICE) {
                Header header = headers[slot];
                StreamHeaders.frame(header, frame, streams.get(frame.stream()), frame.lostBytes());
                transfer.addHeader(header.address(), Header.BYTES);
            }
            for (int slice = 0; slice < frame.sliceCount(); slice++) {
                transfer.add(frame.sliceAddress(slice), frame.sliceLength(slice));
            }
            sending = transfer;
        }

        /** One for each stream, together, so that a receiver that has seen one has seen all or a broken connection. */
        private void prepareEnd() {
            end.clear();
            for (int i = 0; i < endHeaders.length; i++) {
                StreamHeaders.end(endHeaders[i], streams.get(i));
                end.addHeader(endHeaders[i].address(), Header.BYTES);
            }
            sending = end;
        }

        private void socketReady(Link ready) {
            if (ready != link) {
                return; // of a connection lost meanwhile
            }
            ready.armed = -1;
            step(() -> {
                if ((ready.events & (Constants.EPOLLERR | Constants.EPOLLHUP)) != 0) {
                    ready.transport.reap(onSettled);
                    int error = ready.transport.pendingError();
                    if (error != 0 || (ready.events & Constants.EPOLLHUP) != 0) {
                        throw new ConnectionLostException(error != 0 ? error : Constants.ECONNRESET);
                    }
                }
                proceed();
            });
        }

        /** Another connection is needed, unless all that was to be sent had been handed over. */
        private void connectionLost(String reason) throws IOException {
            int unacknowledged = abortLink();
            if (phase == Phase.FLUSHING) {
                int data = unacknowledged - FIN;
                if (data > 0 && failure == null) {
                    failure = new IOException("the connection was lost at the end of the stream, with the last " + data
                            + " bytes not acknowledged: " + reason);
                }
                lookAgain();
                return;
            }
            if (receiver != null) {
                if (phase == Phase.ENDING && failure == null) {
                    failure = new IOException(
                            "a connection was lost at the end of the stream, before all was sent: " + reason);
                }
                letGoOfCurrent();
                lookAgain();
                lost.accept(reason);
                proceed();
                return;
            }
            Transfer interrupted = sending;
            if (interrupted != null && interrupted.begun()) {
                if (current != null) {
                    counters.framesRepeated.add(1);
                    prepare();
                } else {
                    prepareEnd();
                }
            }
            lookAgain();
            lost.accept(reason);
        }

        /** What the kernel was given of it is still the kernel's: then reaping releases it. */
        private void letGoOfCurrent() {
            LentFrame frame = current;
            current = null;
            sending = null;
            if (frame != null) {
                Transfer transfer = transfers[slot(frame)];
                transfer.clear();
                if (transfer.settled()) {
                    frame.release();
                }
            }
        }

        /** Drops the connection, with the socket kept until everything outstanding is reaped. */
        private int abortLink() {
            Link gone = link;
            if (gone == null) {
                return 0;
            }
            link = null;
            if (receiver != null) {
                receiver.connected(false);
            }
            gone.unregister();
            int unacknowledged = gone.transport.unacknowledgedBytes();
            counters.unconfirmed.add(unacknowledged);
            gone.transport.abort();
            aborted.add(gone.transport);
            return unacknowledged;
        }

        private void startFlushing() throws IOException {
            phase = Phase.FLUSHING;
            Link last = link;
            if (last != null) {
                last.unregister();
                last.transport.finish();
            }
            lookAgain();
        }

        /** Reaps what raises no event; when there is nothing left to reap and all is acknowledged, the stage is done. */
        private void lookAgain() throws IOException {
            for (Iterator<Transport> i = aborted.iterator(); i.hasNext(); ) {
                Transport transport = i.next();
                if (reapAborted(transport)) {
                    transport.close();
                    i.remove();
                }
            }
            Link last = link;
            if (phase == Phase.FLUSHING && last != null) {
                last.transport.reap(onSettled);
                int error = last.transport.pendingError();
                if (error != 0) {
                    throw new ConnectionLostException(error);
                }
                if (last.transport.outstanding() == 0 && last.transport.unacknowledgedBytes() == 0) {
                    last.transport.close();
                    link = null;
                }
            }
            if (phase == Phase.LEAVING && last != null) {
                last.transport.reap(onSettled);
                leaveOpen(last);
            }
            SinkStream.flush(streams);
            boolean ending = phase == Phase.FLUSHING || phase == Phase.LEAVING;
            boolean nothingOutstanding = aborted.isEmpty() && (!ending || link == null);
            if ((nothingOutstanding && ending) || looksLeft-- == 0) {
                completeStage();
            } else if (!nothingOutstanding && !isTimerActive(LOOK)) {
                scheduleOnce(LOOK, LOOK_AGAIN);
            }
        }

        /** Whoever goes on gets the connection as it is: nothing of it is outstanding. */
        private void leaveOpen(Link last) {
            if (last.transport.outstanding() == 0) {
                last.unregister();
                left = last.transport;
                link = null;
            }
        }

        /** True if there is nothing more to come from it: all is reaped, or its error queue cannot be read. */
        private boolean reapAborted(Transport transport) {
            try {
                transport.reap(onSettled);
                return transport.outstanding() == 0;
            } catch (IOException | RuntimeException e) {
                LOG.warn(
                        "{} completions of a lost connection cannot be reaped: {}",
                        transport.outstanding(),
                        e.getMessage());
                return true;
            }
        }

        private void giveUp() {
            if (handingOver && failure == null) {
                LOG.warn(
                        "a sink took no more for {} ms: what waited for it is dropped for the change",
                        drainTimeout.toMillis());
            } else if (failure == null) {
                String what = current == null ? "" : "a frame was not sent whole, ";
                Link slow = link;
                what += slow == null
                        ? "there was no connection to the receiver"
                        : slow.transport.unacknowledgedBytes() + " bytes were not acknowledged by the receiver";
                failure = new IOException("gave up draining after " + drainTimeout.toMillis() + " ms: " + what);
            }
            dropEverything();
        }

        /** Ends without sending more: aborts the connection, reaps, and is done soon. */
        private void dropEverything() {
            limited = true;
            cancelTimer(GIVE_UP);
            cancel(in);
            phase = Phase.FLUSHING;
            sending = null;
            abortLink();
            if (looksLeft > MOST_LOOKS_WHEN_DROPPED) {
                looksLeft = MOST_LOOKS_WHEN_DROPPED;
                step(this::lookAgain);
            } else {
                completeStage(); // even reaping fails
            }
        }

        /** Also after an abnormal end. What the kernel still holds then is kept from the device for good. */
        @Override
        public void postStop() {
            try {
                abortLink();
                for (Transport transport : aborted) {
                    reapAborted(transport);
                    transport.close();
                }
            } finally {
                for (Transfer transfer : transfers) {
                    if (transfer.outstanding() > 0) {
                        LentFrame frame = frames[transfer.slot()];
                        frame.lent().pool().keepFromDevice(frame);
                    }
                }
                if (failure == null) {
                    ended.complete(Done.getInstance());
                } else {
                    ended.completeExceptionally(failure);
                }
            }
        }
    }
}
