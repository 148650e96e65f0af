// SPDX-License-Identifier: Apache-2.0
package dev.sluice.control;

import dev.sluice.linux.Constants;
import dev.sluice.linux.LinuxException;
import dev.sluice.linux.TcpSocket;
import dev.sluice.metrics.SinkCounters;
import dev.sluice.stream.Reactor;
import dev.sluice.stream.SendStage;
import dev.sluice.topology.HostAndPort;
import dev.sluice.topology.Topology;
import dev.sluice.transport.Transport;
import dev.sluice.transport.Transports;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.time.Duration;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.PostStop;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.BehaviorBuilder;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.TimerScheduler;
import org.jspecify.annotations.Nullable;

/**
 * Accepts the connections of a sink's receivers, and hands each to the stream of a free slot. Who may not connect, or finds
 * no slot free, is closed at once.
 *
 * <pre>
 *   attaching ──a stream for every slot──▶ accepting ◀──time──▶ out of descriptors
 * </pre>
 */
final class Listener {

    /** What it understands. */
    sealed interface Message {}

    /**
     * The stream of a slot; the first messages, and later whenever another takes its place.
     *
     * @param left the connection that the stream before left open, or null
     */
    record Attach(
            int slot, SendStage.Control stream, @Nullable Transport left) implements Message {}

    /** The connection of a slot's stream is gone. */
    record Lost(int slot, String reason) implements Message {}

    private record Ready() implements Message {}

    /** Until a descriptor may be free again, which nothing tells. */
    private static final Duration OUT_OF_DESCRIPTORS = Duration.ofSeconds(1);

    /** Connections that wait to be accepted; they are at once, unless a whole fleet comes back. */
    private static final int BACKLOG = 128;

    private final ActorContext<Message> context;
    private final TimerScheduler<Message> timers;
    private final Topology.ListenSink sink;
    private final TcpSocket listening;
    private final Reactor reactor;
    private final SinkCounters counters;
    private final SendStage.@Nullable Control[] streams;

    /** By slot: who is connected. */
    private final @Nullable String[] peers;

    private int attached;
    private Reactor.@Nullable Registration registration;

    /**
     * Listens from now on, so that receivers wait until they are accepted.
     *
     * @throws IOException with one sentence, if the address cannot be listened on
     */
    static TcpSocket bind(Topology.ListenSink sink) throws IOException {
        InetSocketAddress address = new InetSocketAddress(sink.address(), sink.port());
        TcpSocket socket = TcpSocket.open(sink.address());
        try {
            // An address is in use for a minute after its connections were closed here, otherwise.
            socket.option(Constants.SOL_SOCKET, Constants.SO_REUSEADDR, 1, "SO_REUSEADDR");
            socket.bind(address);
            socket.listen(BACKLOG);
            return socket;
        } catch (LinuxException e) {
            socket.close();
            String why = switch (e.errno()) {
                case Constants.EADDRINUSE -> "another program listens there, or on all addresses with that port";
                case Constants.EADDRNOTAVAIL -> "this machine has no such address";
                case Constants.EACCES -> "this user may not; choose a port from 1024 on";
                default -> LinuxException.describe(e.errno());
            };
            throw new IOException(sink.name() + ": cannot listen on " + text(address) + ": " + why, e);
        }
    }

    /** @param listening is the listener's from now on */
    static Behavior<Message> create(
            Topology.ListenSink sink, TcpSocket listening, Reactor reactor, SinkCounters counters) {
        return Behaviors.setup(context -> Behaviors.withTimers(
                timers -> new Listener(context, timers, sink, listening, reactor, counters).attaching()));
    }

    private Listener(
            ActorContext<Message> context,
            TimerScheduler<Message> timers,
            Topology.ListenSink sink,
            TcpSocket listening,
            Reactor reactor,
            SinkCounters counters) {
        this.context = context;
        this.timers = timers;
        this.sink = sink;
        this.listening = listening;
        this.reactor = reactor;
        this.counters = counters;
        this.streams = new SendStage.Control[sink.receivers()];
        this.peers = new String[sink.receivers()];
    }

    private Behavior<Message> attaching() {
        return state().onMessage(Attach.class, this::onAttach).build();
    }

    private Behavior<Message> onAttach(Attach attach) throws LinuxException {
        streams[attach.slot()] = attach.stream();
        return ++attached < streams.length ? Behaviors.same() : accepting();
    }

    /** A connection that the stream before did not leave is gone, whether it was told or not. */
    private Behavior<Message> onAttachAgain(Attach attach) {
        streams[attach.slot()] = attach.stream();
        Transport left = attach.left();
        if (left != null) {
            attach.stream().connected(left);
        } else {
            peers[attach.slot()] = null;
        }
        return Behaviors.same();
    }

    private Behavior<Message> accepting() throws LinuxException {
        String where = text(listening.localAddress());
        counters.listening(where);
        context.getLog().info("{}: listening on {}", sink.name(), where);
        ActorRef<Message> self = context.getSelf();
        Reactor.Registration watch = reactor.register(listening.fd(), events -> self.tell(new Ready()));
        registration = watch;
        watch.arm(Constants.EPOLLIN);
        return state().onMessage(Ready.class, ready -> onReady(watch))
                .onMessage(Lost.class, this::onLost)
                .onMessage(Attach.class, this::onAttachAgain)
                .build();
    }

    private Behavior<Message> onReady(Reactor.Registration watch) throws LinuxException {
        try {
            for (TcpSocket socket = listening.accept(); socket != null; socket = listening.accept()) {
                admit(socket);
            }
            watch.arm(Constants.EPOLLIN);
        } catch (LinuxException e) {
            if (e.errno() == Constants.ECONNABORTED || e.errno() == Constants.EINTR) {
                watch.arm(Constants.EPOLLIN); // one that left before it was accepted; others may wait behind it
            } else {
                context.getLog().warn("{}: {}; trying again", sink.name(), e.getMessage());
                timers.startSingleTimer(new Ready(), OUT_OF_DESCRIPTORS);
            }
        }
        return Behaviors.same();
    }

    private void admit(TcpSocket socket) {
        try {
            InetSocketAddress peer = socket.peerAddress();
            int slot = freeSlot();
            SendStage.Control stream = slot < 0 ? null : streams[slot];
            if (!sink.allows(peer.getAddress())) {
                refuse(socket, peer, sink.allow().isEmpty() ? "it is not on this machine" : "allow does not name it");
            } else if (stream == null) {
                refuse(socket, peer, "receivers = " + streams.length + ", and as many are connected");
            } else {
                // A frame's last segment shall not wait for the one before to be acknowledged (Nagle).
                socket.option(Constants.IPPROTO_TCP, Constants.TCP_NODELAY, 1, "TCP_NODELAY");
                if (sink.sendBufferBytes() > 0) {
                    socket.option(Constants.SOL_SOCKET, Constants.SO_SNDBUF, sink.sendBufferBytes(), "SO_SNDBUF");
                }
                peers[slot] = text(peer);
                counters.receivers.add(1);
                context.getLog().info("{}: {} connected", sink.name(), text(peer));
                stream.connected(Transports.open(socket, sink.transport(), counters.send));
            }
        } catch (LinuxException e) { // it has gone already
            context.getLog().debug("{}: a receiver was not accepted: {}", sink.name(), e.getMessage());
            socket.close();
        }
    }

    private int freeSlot() {
        for (int slot = 0; slot < peers.length; slot++) {
            if (peers[slot] == null) {
                return slot;
            }
        }
        return -1;
    }

    private void refuse(TcpSocket socket, InetSocketAddress peer, String why) {
        counters.refused.add(1);
        context.getLog().warn("{}: refused {}: {}", sink.name(), text(peer), why);
        socket.close();
    }

    private Behavior<Message> onLost(Lost lost) {
        context.getLog().warn("{}: {}: connection lost: {}", sink.name(), peers[lost.slot()], lost.reason());
        peers[lost.slot()] = null;
        return Behaviors.same();
    }

    private BehaviorBuilder<Message> state() {
        return Behaviors.receive(Message.class).onSignal(PostStop.class, stop -> {
            Reactor.Registration watched = registration;
            if (watched != null) {
                watched.close();
            }
            listening.close();
            return Behaviors.same();
        });
    }

    private static String text(InetSocketAddress address) {
        return new HostAndPort(address.getAddress().getHostAddress(), address.getPort()).toString();
    }
}
