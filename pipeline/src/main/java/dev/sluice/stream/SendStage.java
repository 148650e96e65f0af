// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

import dev.sluice.linux.Constants;
import dev.sluice.metrics.SinkCounters;
import dev.sluice.transport.ConnectionLostException;
import dev.sluice.transport.Transfer;
import dev.sluice.transport.Transport;
import dev.sluice.wire.Header;
import dev.sluice.wire.Progress;
import dev.sluice.wire.Session;
import dev.sluice.wire.WireException;
import java.io.IOException;
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
 * Sends frames over one connection at a time, reaps the completions, hears what the receiver acknowledges, and releases the
 * frames. Connections are made elsewhere and handed in; while there is none, what was asked for before waits here and all
 * else in the device, but the frames that the {@link Outbox} holds.
 *
 * <p>Small frames that are there at once are handed to the kernel together; none waits for one that is still to come. Any
 * number may be outstanding there. A frame that a connection did not take whole is sent again, from its start, on the next
 * one: every connection begins at the start of a frame. As one slot of several {@link Receivers}, whose next connection is
 * another receiver's, it lets go of such frames instead, and gets none while there is no connection.
 *
 * <pre>
 *                                       ┌──connection lost, not all acknowledged──┐
 *                                       ▼                                         │
 *   STREAMING ──upstream ends──▶ ENDING (END header, framing = sluice) ──▶ FLUSHING ──all acknowledged──▶ done
 *       └──────upstream fails, drain time-out──────────────────────────────────▲
 *   STREAMING ──upstream ends, handed over──▶ LEAVING ──all reaped──▶ done, the connection left open
 * </pre>
 *
 * <p>The materialized value's future fails if a frame was not sent, or if what the last connection took was not
 * acknowledged. With {@code delivery = live} what an earlier connection took and did not deliver is counted, not a failure.
 */
public final class SendStage extends AbstractGraphStageWithMaterializedValue<SinkShape<LentFrame>, SendStage.Control> {

    /** How often a socket is looked at that will raise no event: one aborted, or one that only waits for its ACKs. */
    private static final Duration LOOK_AGAIN = Duration.ofMillis(5);

    /** Looks at an aborted connection's completions, once the stream has been dropped: 1 s. They come at once. */
    private static final int MOST_LOOKS_WHEN_DROPPED = 200;

    /** What FIN counts among the unacknowledged bytes. */
    private static final int FIN = 1;

    private static final int FROM_RECEIVER = 1 << Header.TYPE_ACK | 1 << Header.TYPE_KEEP_ALIVE;

    private static final Logger LOG = LoggerFactory.getLogger(SendStage.class);

    private final Inlet<LentFrame> in = Inlet.create("SendStage.in");
    private final SinkShape<LentFrame> shape = SinkShape.of(in);
    private final List<SinkStream> streams;
    private final Reactor reactor;
    private final Session session;
    private final Outbox outbox;
    private final boolean keepsSome;
    private final SinkCounters counters;
    private final Duration drainTimeout;
    private final Consumer<String> lost;
    private final Receivers.@Nullable Slot receiver;

    /**
     * @param streams those whose frames come in, by the numbers that the frames are marked with
     * @param session how the receiver is spoken to
     * @param outbox what it goes on with, and leaves to the next stage when it hands over
     * @param keepsSome whether it must leave buffers to others that share its source, however many wait to be acknowledged
     * @param drainTimeout how long the rest may take once the stream is told to drain, or fails
     * @param lost told why when a connection is lost; another is then awaited. Must not block
     * @param receiver the slot, of several, that it sends for; null if there is only one receiver
     */
    public SendStage(
            List<SinkStream> streams,
            Reactor reactor,
            Session session,
            Outbox outbox,
            boolean keepsSome,
            SinkCounters counters,
            Duration drainTimeout,
            Consumer<String> lost,
            Receivers.@Nullable Slot receiver) {
        this.streams = streams;
        this.reactor = reactor;
        this.session = session;
        this.outbox = outbox;
        this.keepsSome = keepsSome;
        this.counters = counters;
        this.drainTimeout = drainTimeout;
        this.lost = lost;
        this.receiver = receiver;
    }

    /** For whoever makes the connections; any thread. */
    public interface Control extends SinkControl {
        /** A connection to send over, which is the stage's from now on; a stage that has stopped closes it. */
        void connected(Connection connection);

        /**
         * A connection to send over, which is the stage's from now on, unless it has stopped.
         *
         * @param refused called, by any thread, if it has: then the connection is the caller's
         */
        void connected(Connection connection, Runnable refused);

        /** After {@link #handOver} and the end: the connection that the stage left as it was, if it still had one. */
        @Nullable
        Connection left();
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

    @FunctionalInterface
    private interface Step {
        void run() throws IOException;
    }

    private final class Logic extends TimerGraphStageLogic implements Control {

        private static final String LOOK = "look";
        private static final String GIVE_UP = "give up";
        private static final String PULSE = "pulse";

        private final CompletableFuture<Done> ended = new CompletableFuture<>();
        private final AsyncCallback<Connection> onConnected = createAsyncCallback(this::take);
        private final AsyncCallback<Connection> onReady = createAsyncCallback(this::socketReady);
        private final AsyncCallback<NotUsed> onDrain = createAsyncCallback(ignored -> limitRest());
        private final AsyncCallback<NotUsed> onHandOver = createAsyncCallback(ignored -> beginHandOver());
        private final AsyncCallback<NotUsed> onQuiet = createAsyncCallback(ignored -> nothingMoreAtOnce());
        private final Consumer<Transfer> onSettled = outbox::settled;
        private final Connection.Inbox inbox = this::heard;
        private final List<Transport> aborted = new ArrayList<>();

        private Phase phase = Phase.STREAMING;
        private @Nullable Connection link;
        private boolean handingOver;

        /** Written before the future completes, read after. */
        private volatile @Nullable Connection left;

        /** What is being handed to the kernel. */
        private @Nullable Transfer sending;

        /**
         * The socket had no room, and has not said that it has some: epoll says so for a third of its buffer, and whoever
         * tries sooner, at each completion, hands over what little there is and gets a completion for that, too.
         */
        private boolean full;

        /** It will be told when all stages above have done what they can at once. */
        private boolean listens;

        private boolean endAnnounced;
        private boolean quiet;
        private boolean limited;
        private boolean dropped;

        /** Waits no longer for its receiver, but for the rest to come in: the next stage goes on. */
        private boolean gaveUp;

        /** The last connection was told that no more comes. */
        private boolean finished;

        private boolean endedItself;
        private @Nullable Throwable failure;

        /** What it is if the connection that was lost at the end of the stream is the last. */
        private @Nullable IOException lostAtEnd;

        private int looksLeft = Integer.MAX_VALUE;

        Logic() {
            super(shape);
            setHandler(in, new AbstractInHandler() {
                @Override
                public void onPush() {
                    outbox.give(grab(in));
                    if (receiver != null && link == null) {
                        outbox.dropAll(); // the receiver left while the frame was on its way here
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
            outbox.goOn();
            if (session.framed()) {
                Duration pulse = session.peerTimeout().dividedBy(Session.PULSES);
                scheduleWithFixedDelay(PULSE, pulse, pulse);
            }
        }

        @Override
        public void connected(Connection connection) {
            connected(connection, connection::drop);
        }

        @Override
        public void connected(Connection connection, Runnable refused) {
            FutureConverters.asJava(onConnected.invokeWithFeedback(connection)).exceptionally(stopped -> {
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
        public @Nullable Connection left() {
            return left;
        }

        private void beginHandOver() {
            handingOver = true;
            limitRest();
            step(this::proceed);
        }

        @Override
        public void onTimer(Object key) {
            step(key.equals(GIVE_UP) ? this::giveUp : key.equals(PULSE) ? this::pulse : this::lookAgain);
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
            } catch (WireException e) {
                step(() -> connectionLost(String.valueOf(e.getMessage())));
            } catch (IOException | RuntimeException e) {
                if (failure == null) {
                    failure = e;
                }
                dropEverything();
            }
        }

        private void take(Connection connection) {
            if (link != null || phase == Phase.FLUSHING || gaveUp) {
                connection.drop();
                return;
            }
            connection.register(reactor, onReady::invoke);
            link = connection;
            full = false;
            if (receiver != null) {
                receiver.connected(true);
            }
            lostAtEnd = null;
            List<Progress> welcome = connection.takeWelcome();
            if (welcome != null) {
                outbox.connected(welcome);
            }
            step(this::proceed);
        }

        /** Sends, unless other frames may come at once that are to be sent together with those that wait. */
        private void proceed() throws IOException {
            if (outbox.hasWaiting() && sending == null && mayTakeFrame()) {
                askForFrame();
                if (!listens) {
                    listens = true;
                    onQuiet.invoke(NotUsed.getInstance());
                }
            } else {
                send();
            }
        }

        /** A message to oneself comes when all that a pull can cause without waiting has happened. */
        private void nothingMoreAtOnce() {
            listens = false;
            if (phase == Phase.STREAMING) { // else it was not waited for
                step(this::send);
            }
        }

        /** Goes as far as the socket lets it, then asks for the next frame or waits. */
        private void send() throws IOException {
            Connection to = link;
            boolean again = false;
            for (Transfer next; to != null && (next = upNext()) != null; ) {
                Transport.Progress progress = full ? Transport.Progress.AWAIT_WRITABLE : to.transport.send(next);
                boolean sent = progress == Transport.Progress.SENT;
                outbox.sent(next);
                if (sent) {
                    quiet = false;
                    sending = null;
                }
                boolean reaped = to.transport.holdsSettled();
                if (reaped) {
                    to.transport.reap(onSettled);
                }
                // What was reaped may be what it waits for: it is tried once more, or else no event might ever come.
                boolean mayGoOn = progress == Transport.Progress.AWAIT_COMPLETION
                        && reaped
                        && (!again || to.transport.outstanding() == 0);
                again = mayGoOn;
                full = progress == Transport.Progress.AWAIT_WRITABLE;
                if (!sent && !mayGoOn) {
                    arm(progress == Transport.Progress.AWAIT_WRITABLE ? Constants.EPOLLOUT : 0);
                    SinkStream.flush(streams);
                    return;
                }
            }
            if (link == null && handsOverAll()) {
                holdTheRest();
                return;
            }
            boolean nothingToSend = link != null || outbox.isDone();
            if (phase == Phase.ENDING && nothingToSend && handingOver && failure == null) {
                phase = Phase.LEAVING;
                lookAgain();
            } else if (phase == Phase.ENDING && nothingToSend && !endIsDue()) {
                startFlushing();
            } else {
                waitForMore();
            }
        }

        private @Nullable Transfer upNext() {
            if (sending == null) {
                sending = outbox.next();
            }
            if (sending == null && phase == Phase.ENDING && endIsDue()) {
                endAnnounced = true;
                sending = outbox.end();
            }
            return sending;
        }

        /** Whether the stage that comes after goes on with whatever waits here; another receiver of several does not. */
        private boolean handsOverAll() {
            return handingOver && receiver == null && failure == null;
        }

        /** Nobody takes it now: what is still on its way here waits in the outbox, for the stage that comes after. */
        private void holdTheRest() throws IOException {
            if (phase == Phase.STREAMING) {
                askForFrame();
            } else {
                phase = Phase.LEAVING;
                lookAgain();
            }
        }

        /** For a frame, an acknowledgement or a connection. */
        private void waitForMore() throws IOException {
            arm(0); // completions, and the loss of the connection, are reported as errors
            if (mayTakeFrame()) {
                askForFrame();
            }
            SinkStream.flush(streams); // behind a fan-in or a fan-out a pull need not reach who acquires
        }

        private boolean mayTakeFrame() {
            return phase == Phase.STREAMING
                    && link != null
                    && outbox.wantsFrame()
                    && !(keepsSome && outbox.holdsMoreThanAQuarter());
        }

        private void askForFrame() {
            if (!hasBeenPulled(in)) {
                pull(in);
            }
        }

        private void arm(int interest) throws IOException {
            Connection to = link;
            if (to != null) {
                to.arm(interest | (isHeard() && !to.peerClosed() ? Constants.EPOLLIN : 0));
            }
        }

        /**
         * A receiver that never had a connection needs no END, nor does one that left its slot; one that gets less than all
         * must have none; and a stream that goes on in another process does not end.
         */
        private boolean endIsDue() {
            boolean awaited = receiver == null ? outbox.everConnected() : link != null;
            return session.framed()
                    && awaited
                    && failure == null
                    && !outbox.endSent()
                    && !outbox.isFinished()
                    && !handingOver
                    && !goesOn();
        }

        private boolean goesOn() {
            return streams.stream().anyMatch(stream -> stream.pool().outlivesProcess());
        }

        private void socketReady(Connection ready) {
            if (ready != link) {
                return; // of a connection lost meanwhile
            }
            int events = ready.events();
            boolean completed = ready.completed();
            step(() -> {
                full &= (events & Constants.EPOLLOUT) == 0;
                int outstanding = ready.transport.outstanding();
                if (completed) {
                    ready.transport.reap(onSettled);
                }
                if ((events & Constants.EPOLLIN) != 0 && isHeard()) {
                    receive(ready);
                }
                if (Connection.failed(events)) {
                    ready.transport.reap(onSettled);
                    boolean explained = ready.transport.outstanding() < outstanding; // another error is told again
                    int error = explained ? 0 : ready.transport.pendingError();
                    if (error != 0 || (events & Constants.EPOLLHUP) != 0) {
                        throw new ConnectionLostException(error != 0 ? error : Constants.ECONNRESET);
                    }
                }
                proceed();
            });
        }

        /** Whether the receiver may say something that matters: with raw frames, only TLS itself does. */
        private boolean isHeard() {
            return session.framed() || session.tls() != null;
        }

        private void receive(Connection from) throws IOException {
            if (session.framed()) {
                from.receive(inbox);
            } else {
                from.discard();
            }
            if (from.peerClosed() && phase != Phase.FLUSHING) {
                throw new ConnectionLostException("the receiver closed the connection");
            }
        }

        private void heard(Header message) throws WireException {
            message.validate(FROM_RECEIVER);
            if (message.type() == Header.TYPE_ACK) {
                outbox.acknowledged(message);
            }
        }

        /** Says that somebody is here, unless a frame says so; and looks whether the receiver still does. */
        private void pulse() throws IOException {
            Connection to = link;
            if (to == null) {
                return;
            }
            if (System.nanoTime() - to.heardNanos() > session.peerTimeout().toNanos()) {
                throw new ConnectionLostException("nothing was heard from the receiver for "
                        + session.peerTimeout().toMillis() + " ms");
            }
            if (quiet && sending == null && (phase == Phase.STREAMING || phase == Phase.ENDING)) {
                sending = outbox.keepAlive();
                proceed();
            }
            quiet = true;
        }

        /** Another connection is needed, unless all that was to be sent had been handed over. */
        private void connectionLost(String reason) throws IOException {
            boolean again =
                    phase == Phase.FLUSHING && !dropped && receiver == null && session.framed() && !isConfirmed();
            boolean hasAll = session.framed() && outbox.isDone() && outbox.isFinished();
            sending = null;
            int unacknowledged = abortLink();
            int data = unacknowledged - (finished ? FIN : 0);
            boolean hasFrames = session.resumes() && outbox.isDone();
            if (phase == Phase.FLUSHING && data > 0 && !hasAll && !hasFrames) {
                lostAtEnd = new IOException("the connection was lost at the end of the stream, with the last " + data
                        + " bytes not acknowledged: " + reason);
            }
            if (phase == Phase.FLUSHING && !again) {
                failure = failure == null ? lostAtEnd : failure;
                lookAgain();
                return;
            }
            if (receiver != null) {
                if (phase == Phase.ENDING && failure == null) {
                    failure = new IOException(
                            "a connection was lost at the end of the stream, before all was sent: " + reason);
                }
                outbox.dropAll();
                lookAgain();
                lost.accept(reason);
                proceed();
                return;
            }
            if (again || (phase == Phase.LEAVING && !outbox.isDone())) {
                phase = Phase.ENDING;
                if (outbox.isDone()) {
                    limitRest(); // all but the END is done with, and the receiver may have gone for good
                }
            }
            lookAgain();
            lost.accept(reason);
            proceed();
        }

        /**
         * Whether the receiver has said all that it is waited for at the end. One that only closes its side may have been cut
         * off from it before the END came there.
         */
        private boolean isConfirmed() {
            return !session.framed() || (outbox.isDone() && (!endAnnounced || outbox.isFinished()));
        }

        /** Drops the connection, with the socket kept until everything outstanding is reaped. */
        private int abortLink() {
            Connection gone = link;
            if (gone == null) {
                return 0;
            }
            link = null;
            if (receiver != null) {
                receiver.connected(false);
            }
            gone.unregister();
            outbox.disconnected();
            int unacknowledged = gone.transport.unacknowledgedBytes();
            counters.unconfirmed.add(unacknowledged);
            gone.transport.abort();
            aborted.add(gone.transport);
            return unacknowledged;
        }

        private void startFlushing() throws IOException {
            phase = Phase.FLUSHING;
            Connection last = link;
            sending = null;
            if (last != null) {
                last.unregister();
                finished = finish(last);
            }
            lookAgain();
        }

        /** FIN, behind a BYE if the receiver is to say first that it has all; false if one of them is not out. */
        private boolean finish(Connection last) throws IOException {
            if (session.framed() && outbox.isFinished() && !last.peerClosed()) {
                if (sending == null) {
                    sending = outbox.bye();
                }
                if (last.transport.send(sending) != Transport.Progress.SENT) {
                    return false;
                }
            } else if (session.framed() && endAnnounced && !last.peerClosed()) {
                return false;
            }
            return last.transport.finish();
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
            Connection last = link;
            if (phase == Phase.FLUSHING && last != null) {
                flushLast(last);
            }
            if (phase == Phase.LEAVING && last != null) {
                last.transport.reap(onSettled);
                leaveOpen(last);
            }
            SinkStream.flush(streams);
            boolean ending = phase == Phase.FLUSHING || phase == Phase.LEAVING;
            boolean nothingOutstanding = aborted.isEmpty() && (!ending || link == null);
            if ((nothingOutstanding && ending) || looksLeft-- == 0) {
                endedItself = true;
                completeStage();
            } else if (!nothingOutstanding && !isTimerActive(LOOK)) {
                scheduleOnce(LOOK, LOOK_AGAIN);
            }
        }

        private void flushLast(Connection last) throws IOException {
            last.transport.reap(onSettled);
            if (session.framed()) {
                receive(last);
            }
            finished = finished || finish(last);
            int error = last.transport.pendingError();
            if (error != 0) {
                throw new ConnectionLostException(error);
            }
            boolean confirmed = isConfirmed();
            if (!confirmed && last.peerClosed()) {
                throw new ConnectionLostException("the receiver closed the connection before it acknowledged all");
            }
            boolean settled = last.transport.outstanding() == 0 && last.transport.unacknowledgedBytes() == 0;
            if (settled && finished && confirmed) {
                last.transport.close();
                link = null;
            } else if (settled && outbox.isDone()) {
                limitRest(); // it has everything, and only does not say that it knows
            }
        }

        /** Whoever goes on gets the connection as it is: nothing of it is outstanding. */
        private void leaveOpen(Connection last) throws IOException {
            if (session.framed()) {
                receive(last);
            }
            if (last.transport.outstanding() == 0 && outbox.isDone() && left == null) {
                last.unregister();
                left = last;
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

        private void giveUp() throws IOException {
            if (handsOverAll()) {
                sending = null;
                gaveUp = true;
                abortLink(); // it takes no more, and has all the time of the next stage
                looksLeft = MOST_LOOKS_WHEN_DROPPED;
                proceed();
                return;
            }
            if (handingOver && failure == null) {
                LOG.warn(
                        "a sink took no more for {} ms: what waited for it is dropped for the change",
                        drainTimeout.toMillis());
            } else if (failure == null && lostAtEnd != null) {
                failure = lostAtEnd;
            } else if (failure == null
                    && endAnnounced
                    && outbox.isDone()
                    && (link == null ? session.resumes() : link.transport.unacknowledgedBytes() == 0)) {
                LOG.warn(
                        "the receiver has all frames, but for {} ms it has not acknowledged that the stream has ended",
                        drainTimeout.toMillis());
            } else if (failure == null) {
                failure = new IOException("gave up draining after " + drainTimeout.toMillis() + " ms: " + leftUndone());
            }
            dropEverything();
        }

        private String leftUndone() {
            String what = "";
            int unsent = outbox.unsentFrames();
            if (unsent > 0) {
                what += unsent == 1 ? "a frame was not sent whole, " : unsent + " frames were not sent, ";
            }
            int held = outbox.unacknowledgedFrames();
            if (held > 0) {
                what += "the receiver did not acknowledge " + held + (held == 1 ? " frame, " : " frames, ");
            }
            Connection slow = link;
            return what
                    + (slow == null
                            ? "there was no connection to the receiver"
                            : slow.transport.unacknowledgedBytes() + " bytes were not acknowledged by the receiver");
        }

        /** Ends without sending more: aborts the connection, reaps, and is done soon. */
        private void dropEverything() {
            limited = true;
            dropped = true;
            cancelTimer(GIVE_UP);
            cancelTimer(PULSE);
            cancel(in);
            phase = Phase.FLUSHING;
            sending = null;
            abortLink();
            if (looksLeft > MOST_LOOKS_WHEN_DROPPED) {
                looksLeft = MOST_LOOKS_WHEN_DROPPED;
                step(this::lookAgain);
            } else {
                endedItself = true;
                completeStage(); // even reaping fails
            }
        }

        /** Also after an abnormal end. What the kernel still holds then is kept from the device for good. */
        @Override
        public void postStop() {
            try {
                if (link != null) {
                    abortLink();
                    lost.accept("its stream was stopped");
                }
                for (Transport transport : aborted) {
                    reapAborted(transport);
                    transport.close();
                }
            } finally {
                if (handsOverAll() || (!endedItself && receiver == null)) {
                    outbox.retain();
                } else {
                    outbox.abandon();
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
