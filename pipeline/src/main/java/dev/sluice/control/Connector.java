// SPDX-License-Identifier: Apache-2.0
package dev.sluice.control;

import dev.sluice.linux.Constants;
import dev.sluice.linux.LinuxException;
import dev.sluice.linux.TcpSocket;
import dev.sluice.metrics.SinkCounters;
import dev.sluice.stream.Connection;
import dev.sluice.stream.Reactor;
import dev.sluice.stream.SendStage;
import dev.sluice.stream.SinkStream;
import dev.sluice.topology.HostAndPort;
import dev.sluice.topology.Topology;
import dev.sluice.transport.Transports;
import dev.sluice.wire.Tls;
import dev.sluice.wire.TlsFiles;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ThreadLocalRandom;
import javax.net.ssl.SSLEngine;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.DispatcherSelector;
import org.apache.pekko.actor.typed.PostStop;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.BehaviorBuilder;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.TimerScheduler;
import org.jspecify.annotations.Nullable;

/**
 * Makes a sink's connections, one at a time, and hands them to its stream.
 *
 * <pre>
 *   resolving ──address──▶ connecting ──made──▶ greeting ──welcome──▶ connected ──lost──▶ waiting ──time──▶ resolving
 *       └──────unknown────────┴──refused, too slow──┴────────────────────────────────────▲
 * </pre>
 */
final class Connector {

    /** What it understands. */
    sealed interface Message {}

    /**
     * The stream to make connections for; the first message, and later whenever another takes its place.
     *
     * @param left the connection that the stream before left open, or null
     */
    record Attach(SendStage.Control stream, @Nullable Connection left) implements Message {}

    /** The stream's connection is gone. */
    record Lost(String reason) implements Message {}

    /** A stream had stopped before it could take a connection. */
    private record Refused(SendStage.Control by, Connection connection) implements Message {}

    private record Resolved(InetAddress address) implements Message {}

    private record Failed(String reason) implements Message {}

    private record Settled(int events) implements Message {}

    private record Heard() implements Message {}

    private record TooSlow() implements Message {}

    private record TryAgain() implements Message {}

    private final ActorContext<Message> context;
    private final TimerScheduler<Message> timers;
    private final Topology.TcpSink sink;
    private final @Nullable Tls tls;
    private final Reactor reactor;
    private final Transports transports;
    private final SinkCounters counters;
    private final List<SinkStream> streams;
    private SendStage.Control stream;
    private @Nullable Connection unclaimed;
    private boolean connected;

    /** Read by whoever is refused a connection. */
    private volatile boolean stopped;

    private int failures;
    private long connectedAtNanos;
    private boolean connectedBefore;
    private @Nullable TcpSocket connecting;
    private @Nullable Handshake greeted;
    private Reactor.@Nullable Registration registration;

    /** @param streams what the receiver is told of */
    static Behavior<Message> create(
            Topology.TcpSink sink,
            List<SinkStream> streams,
            Reactor reactor,
            Transports transports,
            SinkCounters counters) {
        return Behaviors.setup(context -> Behaviors.withTimers(timers -> Behaviors.receive(Message.class)
                .onMessage(
                        Attach.class,
                        attach -> new Connector(
                                        context, timers, sink, streams, reactor, transports, counters, attach.stream())
                                .resolving())
                .build()));
    }

    private Connector(
            ActorContext<Message> context,
            TimerScheduler<Message> timers,
            Topology.TcpSink sink,
            List<SinkStream> streams,
            Reactor reactor,
            Transports transports,
            SinkCounters counters,
            SendStage.Control stream) {
        this.context = context;
        this.timers = timers;
        this.sink = sink;
        TlsFiles files = sink.session().tls();
        this.tls = files == null ? null : new Tls(files);
        this.streams = streams;
        this.reactor = reactor;
        this.transports = transports;
        this.counters = counters;
        this.stream = stream;
    }

    /** Looked up each time, since a receiver may have moved; on the dispatcher for blocking work, since it may wait. */
    private Behavior<Message> resolving() {
        context.pipeToSelf(
                CompletableFuture.supplyAsync(
                        this::resolve, context.getSystem().dispatchers().lookup(DispatcherSelector.blocking())),
                (address, failure) -> address != null
                        ? new Resolved(address)
                        : new Failed("the name " + sink.host() + " is not known"));
        return state().onMessage(Resolved.class, this::onResolved)
                .onMessage(Failed.class, failed -> waiting(failed.reason()))
                .build();
    }

    private InetAddress resolve() {
        try {
            return InetAddress.getByName(sink.host());
        } catch (UnknownHostException e) {
            throw new CompletionException(e);
        }
    }

    private Behavior<Message> onResolved(Resolved resolved) {
        try {
            TcpSocket socket = TcpSocket.open(resolved.address());
            connecting = socket;
            if (socket.connect(new InetSocketAddress(resolved.address(), sink.port()))) {
                return greeting(socket);
            }
            ActorRef<Message> self = context.getSelf();
            Reactor.Registration watch = reactor.register(socket.fd(), events -> self.tell(new Settled(events)));
            registration = watch;
            watch.arm(Constants.EPOLLOUT);
            timers.startSingleTimer(new TooSlow(), sink.connectTimeout());
            return state().onMessage(Settled.class, settled -> onSettled(socket, settled.events()))
                    .onMessage(
                            TooSlow.class,
                            late -> waiting(
                                    "no answer within " + sink.connectTimeout().toMillis() + " ms"))
                    .build();
        } catch (LinuxException e) {
            return waiting(LinuxException.describe(e.errno()));
        }
    }

    private Behavior<Message> onSettled(TcpSocket socket, int events) {
        int error = socket.pendingError();
        if (error == 0 && (events & Constants.EPOLLHUP) == 0) {
            return greeting(socket);
        }
        return waiting(LinuxException.describe(error != 0 ? error : Constants.ECONNRESET));
    }

    private Behavior<Message> greeting(TcpSocket socket) {
        timers.cancelAll();
        unregister();
        SSLEngine engine;
        try {
            engine = tls == null ? null : tls.engine(sink.host(), sink.port());
        } catch (IOException e) {
            return failed(String.valueOf(e.getMessage()));
        }
        connecting = null;
        ActorRef<Message> self = context.getSelf();
        greeted = new Handshake(
                transports.open(socket, engine),
                transports::forFrames,
                sink.session(),
                streams,
                false,
                true,
                reactor,
                events -> self.tell(new Heard()));
        timers.startSingleTimer(new TooSlow(), sink.session().handshakeTimeout());
        return onHeard();
    }

    private Behavior<Message> onHeard() {
        Handshake handshake = greeted;
        if (handshake == null) {
            return Behaviors.same();
        }
        try {
            Connection connection = handshake.proceed();
            if (connection != null) {
                greeted = null;
                return connected(connection);
            }
            return state().onMessage(Heard.class, heard -> onHeard())
                    .onMessage(
                            TooSlow.class,
                            late -> failed("the receiver did not say within "
                                    + sink.session().handshakeTimeout().toMillis() + " ms what it wants"))
                    .build();
        } catch (IOException e) {
            return failed(String.valueOf(e.getMessage()));
        }
    }

    private Behavior<Message> failed(String reason) {
        counters.handshakesFailed.add(1);
        return waiting(reason);
    }

    private Behavior<Message> connected(Connection connection) {
        timers.cancelAll();
        connectedAtNanos = System.nanoTime();
        if (connectedBefore) {
            counters.reconnects.add(1);
        }
        connectedBefore = true;
        context.getLog().info("{}: connected to {}", sink.name(), target());
        connected = true;
        offer(connection);
        return state().onMessage(Lost.class, this::onLost).build();
    }

    private void offer(Connection connection) {
        SendStage.Control to = stream;
        ActorRef<Message> self = context.getSelf();
        to.connected(connection, () -> {
            if (stopped) {
                connection.drop();
            } else {
                self.tell(new Refused(to, connection));
            }
        });
    }

    /** Another stream will come; or has come, and is connected otherwise. */
    private Behavior<Message> onRefused(Refused refused) {
        if (refused.by().equals(stream) && unclaimed == null) {
            unclaimed = refused.connection();
        } else {
            refused.connection().drop();
        }
        return Behaviors.same();
    }

    /** A connection that the stream before did not leave is gone, whether it was told or not. */
    private Behavior<Message> onAttach(Attach attach) {
        stream = attach.stream();
        Connection made = unclaimed != null ? unclaimed : attach.left();
        unclaimed = null;
        if (made != null) {
            offer(made);
            return Behaviors.same();
        }
        return connected ? waiting("the connection was dropped in a change") : Behaviors.same();
    }

    /** Only a connection that lasted starts the backoff anew: one that is accepted and dropped at once is a failure. */
    private Behavior<Message> onLost(Lost lost) {
        if (System.nanoTime() - connectedAtNanos > sink.backoff().max().toNanos()) {
            failures = 0;
        }
        return waiting("connection lost: " + lost.reason());
    }

    private Behavior<Message> waiting(String reason) {
        connected = false;
        timers.cancelAll();
        closeConnecting();
        Duration delay =
                sink.backoff().delay(failures++, ThreadLocalRandom.current().nextDouble());
        context.getLog().warn("{}: {}: {}; trying again in {} ms", sink.name(), target(), reason, delay.toMillis());
        timers.startSingleTimer(new TryAgain(), delay);
        return state().onMessage(TryAgain.class, again -> resolving()).build();
    }

    /** What all states share: a socket that is half made is closed when the actor stops, and strays are dropped. */
    private BehaviorBuilder<Message> state() {
        return Behaviors.receive(Message.class)
                .onMessage(Attach.class, this::onAttach)
                .onMessage(Refused.class, this::onRefused)
                .onSignal(PostStop.class, stop -> {
                    closeConnecting();
                    stopped = true;
                    if (unclaimed != null) {
                        unclaimed.drop();
                    }
                    return Behaviors.same();
                });
    }

    private void closeConnecting() {
        unregister();
        TcpSocket socket = connecting;
        connecting = null;
        if (socket != null) {
            socket.close();
        }
        Handshake handshake = greeted;
        greeted = null;
        if (handshake != null) {
            handshake.drop();
        }
    }

    private void unregister() {
        Reactor.Registration watched = registration;
        registration = null;
        if (watched != null) {
            watched.close();
        }
    }

    private String target() {
        return new HostAndPort(sink.host(), sink.port()).toString();
    }
}
