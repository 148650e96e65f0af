// SPDX-License-Identifier: Apache-2.0
package dev.sluice.control;

import dev.sluice.device.BufferDevice;
import dev.sluice.device.DriverDevice;
import dev.sluice.device.MappedDevice;
import dev.sluice.device.ReplayDevice;
import dev.sluice.device.SimulatedDevice;
import dev.sluice.linux.TcpSocket;
import dev.sluice.metrics.DeviceCounts;
import dev.sluice.metrics.RunCounters;
import dev.sluice.metrics.SinkCounters;
import dev.sluice.metrics.SourceCounters;
import dev.sluice.stream.AcquireStage;
import dev.sluice.stream.Connection;
import dev.sluice.stream.DiscardStage;
import dev.sluice.stream.FileStage;
import dev.sluice.stream.FilterException;
import dev.sluice.stream.FilterRunner;
import dev.sluice.stream.FramePool;
import dev.sluice.stream.LentFrame;
import dev.sluice.stream.Outbox;
import dev.sluice.stream.PipelineGraph;
import dev.sluice.stream.Reactor;
import dev.sluice.stream.ReactorDispatcher;
import dev.sluice.stream.Receivers;
import dev.sluice.stream.SendStage;
import dev.sluice.stream.SinkControl;
import dev.sluice.stream.SinkStream;
import dev.sluice.stream.StoppedException;
import dev.sluice.topology.Topology;
import dev.sluice.topology.WhenFull;
import dev.sluice.transport.RotatingFile;
import dev.sluice.transport.Transports;
import dev.sluice.wire.Session;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.Executor;
import org.apache.pekko.NotUsed;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.DispatcherSelector;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Adapter;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.stream.Graph;
import org.apache.pekko.stream.Materializer;
import org.apache.pekko.stream.SinkShape;
import org.apache.pekko.stream.javadsl.Sink;
import org.apache.pekko.stream.javadsl.Source;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The life of one pipeline: nodes that are joined to each other, and to nothing else.
 *
 * <pre>
 *   opening ──devices open──▶ running ──streams ended──▶ stopping ──▶ closing ──▶ end told
 *      └────────────────┐     │  ▲  another topology                     ▲
 *                       │     ▼  └───────────────── reopening            │
 *                       │  changing ──streams ended─────▲ │              │
 *                       └─────────one could not be opened─┴──────────────┘
 * </pre>
 *
 * <p>A change hands over: sources and sinks that stay as they are leave their device and connection open for the streams
 * that come after. Meanwhile the device fills its buffers, and nothing is lost if it has enough.
 *
 * <p>Opening and closing may take a while (a device allocates its buffers, a thread is joined), so they run on the
 * dispatcher for blocking work.
 */
final class Pipeline {

    /** What it understands. */
    sealed interface Message {}

    /** Stop, but finish what was begun. */
    record Drain() implements Message {}

    /** Go on as this says. */
    record Change(Topology topology) implements Message {}

    private record Opened() implements Message {}

    private record OpeningFailed(Throwable cause) implements Message {}

    /** @param failures of the sinks that did not do all that they were given, by name */
    private record StreamsEnded(Map<String, Throwable> failures) implements Message {
        @Nullable
        Throwable first() {
            return failures.isEmpty() ? null : failures.values().iterator().next();
        }
    }

    private record ConnectorStopped(ActorRef<?> connector) implements Message {}

    private record SourceFailed(String source, Throwable cause) implements Message {}

    private record TryAgain() implements Message {}

    private record Closed(@Nullable Throwable failure) implements Message {}

    /**
     * How it ended.
     *
     * @param pipeline which
     * @param started whether its devices could be opened
     * @param failure why it did not end well, or null
     */
    record End(String pipeline, boolean started, @Nullable Throwable failure) {}

    /** A source that is open. */
    private record OpenSource(Topology.Source source, BufferDevice device, FramePool pool) {}

    /** A filter that is made, for one stream. */
    private record OpenFilter(Topology.OfFilter filter, long mostFrameBytes, FilterRunner runner) {}

    /** A sink that has streams, and what runs it now. */
    private static final class OpenSink {
        final Topology.Sink sink;
        final List<Topology.Stream> ways;
        final List<SinkStream> streams;

        /** Of the stages; one for each receiver of a sink that listens. */
        final List<SinkControl> controls = new ArrayList<>();

        @Nullable
        ActorRef<Connector.Message> connector;

        @Nullable
        ActorRef<Listener.Message> listener;

        @Nullable
        RotatingFile file;

        private @Nullable Transports transports;

        /** By stage: what is not delivered. */
        private final List<Outbox> outboxes = new ArrayList<>();

        /** Its streams have ended, and what they left open is nobody's until others begin. */
        boolean handedOver;

        OpenSink(Topology.Sink sink, List<Topology.Stream> ways, List<SinkStream> streams) {
            this.sink = sink;
            this.ways = ways;
            this.streams = streams;
        }

        /** What its connections are sent over: also those of an actor that takes the place of one that died. */
        Transports transports(Transports.Options options, Transports.Memory memory, SinkCounters counted) {
            Transports made = transports == null ? new Transports(options, memory, counted.send) : transports;
            transports = made;
            return made;
        }

        /** What a stage goes on with. */
        Outbox outbox(int stage, Session session, SinkCounters counted, boolean oneOfSeveral) {
            if (stage == outboxes.size()) {
                outboxes.add(new Outbox(streams, session, counted, oneOfSeveral));
            }
            return outboxes.get(stage);
        }

        /** The connection that a stage left, if it did. */
        @Nullable
        Connection left(int stage) {
            return handedOver && controls.get(stage) instanceof SendStage.Control before ? before.left() : null;
        }

        /** There will be no other connections. */
        void closeTransports() {
            if (transports != null) {
                transports.close();
            }
        }

        /** No others will begin. */
        void abandon() throws IOException {
            dropConnections();
            closeTransports();
            if (handedOver && file != null) {
                file.close();
            }
        }

        /** Those that stages left. */
        void dropConnections() {
            for (int stage = 0; stage < controls.size(); stage++) {
                Connection connection = left(stage);
                if (connection != null) {
                    connection.drop();
                }
            }
        }
    }

    /** What makes connections pins all memory once, and may measure: that takes a while. */
    private static final DispatcherSelector MAY_BLOCK = DispatcherSelector.blocking();

    private static final Logger LOG = LoggerFactory.getLogger(Pipeline.class);

    private final ActorContext<Message> context;
    private final String id;
    private final RunCounters counters;
    private final ActorRef<End> ended;
    private final Executor blocking;

    /** Of the streams, by name. */
    private final String dispatcher;

    // Written while opening and closing, by one thread at a time; by the actor while running.
    private Topology topology;
    private final Map<String, OpenSource> sources = new LinkedHashMap<>();
    private final Map<Topology.Stream, OpenFilter> filters = new LinkedHashMap<>();
    private final Map<String, OpenSink> sinks = new LinkedHashMap<>();

    /** Ended in a change; what a sink holds through it may point at their memory. */
    private final List<FilterRunner> retired = new ArrayList<>();

    private @Nullable Reactor reactor;

    /** By sink: opened, and not its stage's or listener's yet. */
    private final Map<String, RotatingFile> files = new LinkedHashMap<>();

    private final Map<String, TcpSocket> listening = new LinkedHashMap<>();

    private final Map<String, AcquireStage.Control> acquiring = new LinkedHashMap<>();
    private final Set<ActorRef<?>> connectors = new HashSet<>();
    private boolean everRan;
    private boolean drainWhenRunning;
    private boolean draining;

    /** Why its streams were failed, if a defect is the reason. */
    private @Nullable Throwable crashed;

    /** When something was started again, of {@link System#nanoTime}. */
    private final ArrayDeque<Long> restarts = new ArrayDeque<>();

    /** Until when it is tried to open what was open before; means nothing before the first of these {@code reopenings}. */
    private long reopenUntilNanos;

    private int reopenings;
    private int spawned;
    private @Nullable Topology next;

    /** What ran before a change, until that has opened all it needs. */
    private @Nullable Topology previous;

    /** @param id what its end is told with */
    static Behavior<Message> create(String id, Topology topology, RunCounters counters, ActorRef<End> ended) {
        return Behaviors.setup(context -> new Pipeline(context, id, topology, counters, ended).opening());
    }

    private Pipeline(
            ActorContext<Message> context, String id, Topology topology, RunCounters counters, ActorRef<End> ended) {
        this.context = context;
        this.id = id;
        this.topology = topology;
        this.counters = counters;
        this.ended = ended;
        this.dispatcher = "reactor-of-" + id;
        this.blocking = context.getSystem().dispatchers().lookup(DispatcherSelector.blocking());
    }

    private Behavior<Message> opening() {
        context.pipeToSelf(
                CompletableFuture.supplyAsync(this::open, blocking),
                (opened, failure) -> opened != null ? opened : new OpeningFailed(unwrap(failure)));
        return Behaviors.receive(Message.class)
                .onMessage(Opened.class, opened -> running())
                .onMessage(OpeningFailed.class, failed -> stopping(failed.cause()))
                .onMessage(Drain.class, this::onDrainLater)
                .onMessage(Change.class, this::onChangeLater)
                .build();
    }

    /** What is not open yet. */
    private Opened open() {
        try {
            if (reactor == null) {
                Reactor made = new Reactor(topology.sources().getFirst().name(), blocking);
                reactor = made;
                ReactorDispatcher.register(Adapter.toClassic(context.getSystem()), dispatcher, made);
            }
            for (Topology.Source source : topology.sources()) {
                if (!sources.containsKey(source.name())) {
                    BufferDevice device = device(source);
                    SourceCounters counted = counters.source(source.name());
                    counted.device(device::counts);
                    sources.put(source.name(), new OpenSource(source, device, new FramePool(device, counted)));
                }
            }
            openFilters();
            openSinks();
            return new Opened();
        } catch (IOException | FilterException e) {
            throw new CompletionException(e);
        }
    }

    /** Files last: one that is to be replaced is empty from then on, which must not be for nothing. */
    private void openSinks() throws IOException {
        for (Topology.Sink sink : topology.sinks()) {
            Session session = sink.session();
            if (session != null && !sinks.containsKey(sink.name())) {
                check(sink, session);
            }
        }
        for (Topology.Sink sink : topology.sinks()) {
            OpenSink open = sinks.get(sink.name());
            if (sink instanceof Topology.ListenSink listen
                    && (open == null || open.listener == null)
                    && !listening.containsKey(sink.name())) {
                listening.put(sink.name(), Listener.bind(listen));
            }
        }
        for (Topology.Sink sink : topology.sinks()) {
            if (sink instanceof Topology.FileSink file
                    && !sinks.containsKey(sink.name())
                    && !files.containsKey(sink.name())) {
                files.put(sink.name(), RotatingFile.open(file.file()));
            }
        }
    }

    /** One that cannot be used would fail every connection, and its user should hear of it now. */
    private static void check(Topology.Sink sink, Session session) throws IOException {
        try {
            session.check();
        } catch (IOException e) {
            throw new IOException(sink.name() + ": " + e.getMessage(), e);
        }
    }

    /** In the order in which frames pass them: what one may emit is what the next must be ready for. */
    private void openFilters() throws FilterException {
        Map<Topology.Stream, Topology.OfFilter> all = new LinkedHashMap<>();
        for (Topology.FilterNode filter : topology.filters()) {
            if (filter instanceof Topology.OfFilter ofFilter) {
                topology.streams(filter.name()).forEach(stream -> all.put(stream, ofFilter));
            }
        }
        List<Topology.Stream> inOrder = new ArrayList<>(all.keySet());
        inOrder.sort(Comparator.comparingInt(stream -> stream.nodes().size()));
        for (Topology.Stream stream : inOrder) {
            open(open(all, stream), stream);
        }
        for (OpenSource source : sources.values()) {
            shareLookback(source);
        }
    }

    /** All filters that look back over one source have a quarter of its buffers between them, and each at least one. */
    private void shareLookback(OpenSource source) throws FilterException {
        List<FilterRunner> lookingBack = new ArrayList<>();
        filters.forEach((stream, filter) -> {
            if (stream.source().equals(source.source().name())
                    && filter.runner().looksBack()) {
                lookingBack.add(filter.runner());
            }
        });
        int buffers = source.pool().size();
        if (lookingBack.size() > buffers / 2) {
            throw new FilterException(
                    source.source().name(),
                    new IllegalArgumentException(lookingBack.size() + " filters look back over the frames of source "
                            + source.source().name() + ", and each holds at least one of its " + buffers
                            + " buffers: give it at least " + 2 * lookingBack.size()));
        }
        lookingBack.forEach(runner -> runner.mostWaiting(Math.max(1, buffers / 4 / lookingBack.size())));
    }

    private void open(Topology.OfFilter filter, Topology.Stream stream) throws FilterException {
        FramePool pool = open(sources, stream.source()).pool();
        long mostFrameBytes = mostFrameBytes(stream, pool);
        OpenFilter before = filters.get(stream);
        if (before != null && before.mostFrameBytes() == mostFrameBytes) {
            return;
        }
        if (before != null) {
            retire(before);
        }
        FilterRunner runner = new FilterRunner(filter.name(), filter.maker(), pool, mostFrameBytes);
        filters.put(stream, new OpenFilter(filter, mostFrameBytes, runner));
    }

    /** Of the frames that a node of this stream sees: what the last filter before it lets through. */
    private long mostFrameBytes(Topology.Stream stream, FramePool pool) {
        for (int length = stream.nodes().size() - 1; length > 0; length--) {
            OpenFilter before = filters.get(new Topology.Stream(stream.nodes().subList(0, length)));
            if (before != null) {
                return before.runner().mostFrameBytes();
            }
        }
        return pool.mostFrameBytes();
    }

    private static <K, V> V open(Map<K, V> parts, K key) {
        V part = parts.get(key);
        if (part == null) {
            throw new IllegalStateException(key + " is not open");
        }
        return part;
    }

    private Reactor reactor() {
        Reactor made = reactor;
        if (made == null) {
            throw new IllegalStateException("the reactor is used before it is made");
        }
        return made;
    }

    private static BufferDevice device(Topology.Source source) throws IOException {
        return switch (source) {
            case Topology.Driver driver -> DriverDevice.open(source.name(), driver.settings());
            case Topology.Simulated simulated -> new SimulatedDevice(source.name(), simulated.settings());
            case Topology.Mapped mapped -> MappedDevice.open(source.name(), mapped.settings());
            case Topology.Replay replay -> new ReplayDevice(source.name(), replay.settings());
        };
    }

    private Behavior<Message> onDrainLater(Drain drain) {
        drainWhenRunning = true;
        return Behaviors.same();
    }

    private Behavior<Message> onChangeLater(Change change) {
        next = change.topology();
        return Behaviors.same();
    }

    private Behavior<Message> running() {
        everRan = true;
        previous = null;
        PipelineGraph graph = new PipelineGraph(topology, pools());
        acquiring.clear();
        sources.forEach((name, source) -> graph.source(
                name,
                Source.fromGraph(new AcquireStage(
                                source.device(),
                                source.pool(),
                                reactor(),
                                cause -> context.getSelf().tell(new SourceFailed(name, cause))))
                        .mapMaterializedValue(control -> {
                            acquiring.put(name, control);
                            return NotUsed.getInstance();
                        })));
        for (Topology.FilterNode filter : topology.filters()) {
            for (Topology.Stream stream : topology.streams(filter.name())) {
                switch (filter) {
                    case Topology.OfFilter ofFilter ->
                        graph.filter(stream, open(filters, stream).runner());
                    case Topology.OfFlow ofFlow -> graph.flow(stream, filter.name(), ofFlow.maker());
                }
            }
        }
        for (Topology.Sink sink : topology.sinks()) {
            OpenSink open = sinks.computeIfAbsent(sink.name(), name -> openSink(sink));
            SinkCounters counted = counters.sink(sink.name());
            graph.sink(sink.name(), sinkStage(graph, open, counted), open.streams, counted);
        }
        List<CompletableFuture<?>> ends = new ArrayList<>();
        ends.add(graph.run(Materializer.createMaterializer(context), dispatcher).toCompletableFuture());
        acquiring.values().forEach(source -> ends.add(source.ended().toCompletableFuture()));
        Map<String, Throwable> failures = new ConcurrentSkipListMap<>();
        sinks.forEach((name, sink) -> sink.controls.forEach(control -> ends.add(control.ended()
                .handle((done, failure) -> failure == null ? null : failures.putIfAbsent(name, unwrap(failure)))
                .toCompletableFuture())));
        context.pipeToSelf(
                CompletableFuture.allOf(ends.toArray(new CompletableFuture<?>[0])),
                (done, defect) -> new StreamsEnded(defect == null ? failures : Map.of("", unwrap(defect))));
        Topology changed = next;
        next = null;
        if (drainWhenRunning) {
            drain();
        } else if (changed != null) {
            return changing(changed); // at once: a later one may be on its way
        }
        return Behaviors.receive(Message.class)
                .onMessage(Drain.class, d -> drain())
                .onMessage(Change.class, change -> changing(change.topology()))
                .onMessage(SourceFailed.class, this::onSourceFailed)
                .onMessage(StreamsEnded.class, this::onStreamsEnded)
                .onMessage(ConnectorStopped.class, this::onSinkFailed)
                .build();
    }

    /** It is opened again, and what takes its frames begins with it; unless that was done too often. */
    private Behavior<Message> onSourceFailed(SourceFailed failed) {
        AcquireStage.Control control = acquiring.get(failed.source());
        if (control == null || draining || !mayRestart(failed.source(), failed.cause())) {
            if (control != null) {
                control.fail(failed.cause());
            }
            return Behaviors.same();
        }
        counters.source(failed.source()).restarts.add(1);
        Set<String> kept = openAsIn(topology);
        kept.remove(failed.source());
        Set<String> keptSinks = new HashSet<>();
        sinks.forEach((name, sink) -> {
            if (sink.ways.stream().allMatch(way -> kept.contains(way.source()))) {
                keptSinks.add(name);
            }
        });
        return restarting(kept, keptSinks);
    }

    /** What made its connections died; what waits for its receiver does not go with it. */
    private Behavior<Message> onSinkFailed(ConnectorStopped stopped) {
        connectors.remove(stopped.connector());
        for (OpenSink sink : sinks.values()) {
            if (stopped.connector().equals(sink.connector)
                    || stopped.connector().equals(sink.listener)) {
                IllegalStateException defect =
                        new IllegalStateException(sink.sink.name() + ": its actor died; see the log");
                sink.connector = null;
                sink.listener = null;
                if (draining || !mayRestart(sink.sink.name(), defect)) {
                    crashed = defect;
                    acquiring.values().forEach(source -> source.fail(defect)); // without an END: that is not all
                    return Behaviors.same();
                }
                counters.sink(sink.sink.name()).restarts.add(1);
                return restarting(openAsIn(topology), new HashSet<>(sinks.keySet()));
            }
        }
        return Behaviors.same();
    }

    private Behavior<Message> onStreamsEnded(StreamsEnded end) {
        Throwable failure = crashed != null ? crashed : end.first();
        if (failure instanceof StoppedException && !draining && mayRestart("the streams", failure)) {
            sinks.values().forEach(sink -> sink.handedOver = true);
            return leaving(topology, openAsIn(topology), new HashSet<>(sinks.keySet()));
        }
        return stopping(failure);
    }

    /** Counts it, if it may be. */
    private boolean mayRestart(String what, Throwable why) {
        long now = System.nanoTime();
        long since = now - topology.restarts().within().toNanos();
        restarts.removeIf(at -> at - since < 0);
        if (restarts.size() >= topology.restarts().most()) {
            LOG.error(
                    "{}: {}: not started again after {} restarts in {} ms",
                    what,
                    why.getMessage(),
                    restarts.size(),
                    topology.restarts().within().toMillis());
            return false;
        }
        LOG.warn("{}: {}: it is started again", what, why.getMessage(), why);
        restarts.add(now);
        return true;
    }

    /** A change to the same, in which what is not kept begins anew. No receiver is told that a stream ends. */
    private Behavior<Message> restarting(Set<String> keptSources, Set<String> keptSinks) {
        sinks.values().forEach(sink -> {
            sink.handedOver = true;
            sink.controls.forEach(SinkControl::handOver);
        });
        return changing(topology, keptSources, keptSinks);
    }

    private Map<String, FramePool> pools() {
        Map<String, FramePool> pools = new LinkedHashMap<>();
        sources.forEach((name, source) -> pools.put(name, source.pool()));
        return pools;
    }

    private List<SinkControl> controls() {
        List<SinkControl> controls = new ArrayList<>();
        sinks.values().forEach(sink -> controls.addAll(sink.controls));
        return controls;
    }

    private OpenSink openSink(Topology.Sink sink) {
        List<Topology.Stream> ways = topology.streams(sink.name());
        List<SinkStream> streams = new ArrayList<>();
        for (Topology.Stream way : ways) {
            FramePool pool = open(sources, way.source()).pool();
            streams.add(new SinkStream(pool, sink.input().firstStreamId() + streams.size()));
        }
        OpenSink open = new OpenSink(sink, ways, List.copyOf(streams));
        if (sink instanceof Topology.FileSink) {
            open.file = files.remove(sink.name());
        }
        return open;
    }

    /** What makes its connections. */
    private void makeConnector(OpenSink open, SinkCounters counted) {
        switch (open.sink) {
            case Topology.TcpSink tcp ->
                open.connector = watched(context.spawn(
                        Connector.create(tcp, open.streams, reactor(), transports(open, tcp, counted), counted),
                        nextName(),
                        MAY_BLOCK));
            case Topology.ListenSink listen -> {
                TcpSocket socket = open(listening, listen.name());
                open.listener = watched(context.spawn(
                        Listener.create(
                                listen, open.streams, socket, reactor(), transports(open, listen, counted), counted),
                        nextName(),
                        MAY_BLOCK));
                listening.remove(listen.name());
            }
            case Topology.FileSink file -> {}
            case Topology.DiscardSink discard -> {}
        }
    }

    /** That its frames lie in. */
    private Transports transports(OpenSink open, Topology.SocketSink sink, SinkCounters counted) {
        List<BufferDevice> devices = open.ways.stream()
                .map(Topology.Stream::source)
                .distinct()
                .map(source -> open(sources, source).device())
                .toList();
        Transports.Memory memory = new Transports.Memory(
                devices.stream().map(BufferDevice::memory).toList(),
                devices.stream()
                        .filter(BufferDevice::releasesEarly)
                        .map(BufferDevice::memory)
                        .toList(),
                devices.stream().allMatch(BufferDevice::isRegistrable));
        return open.transports(sink.transport(), memory, counted);
    }

    private String nextName() {
        return "sink-" + spawned++;
    }

    private <T> ActorRef<T> watched(ActorRef<T> connector) {
        connectors.add(connector);
        context.watchWith(connector, new ConnectorStopped(connector));
        return connector;
    }

    /** What runs the sink's streams from now on; it goes on with what those before it left. */
    private Graph<SinkShape<LentFrame>, NotUsed> sinkStage(PipelineGraph graph, OpenSink open, SinkCounters counted) {
        if (open.connector == null && open.listener == null) {
            open.dropConnections(); // those of one that died
            open.controls.clear();
            makeConnector(open, counted);
        }
        List<Connection> left = new ArrayList<>();
        for (int stage = 0; stage < open.controls.size(); stage++) {
            left.add(open.left(stage));
        }
        open.controls.clear();
        open.handedOver = false;
        return switch (open.sink) {
            case Topology.TcpSink tcp -> {
                ActorRef<Connector.Message> connector = Objects.requireNonNull(open.connector);
                SendStage stage = new SendStage(
                        open.streams,
                        reactor(),
                        tcp.session(),
                        open.outbox(0, tcp.session(), counted, false),
                        tcp.input().whenFull() != WhenFull.BLOCK,
                        counted,
                        topology.drainTimeout(),
                        reason -> connector.tell(new Connector.Lost(reason)),
                        null);
                yield Sink.fromGraph(stage).mapMaterializedValue(control -> {
                    connector.tell(new Connector.Attach(control, left.isEmpty() ? null : left.getFirst()));
                    return runs(open, control);
                });
            }
            case Topology.ListenSink listen -> listening(graph, listen, open, counted, left);
            case Topology.FileSink file ->
                Sink.fromGraph(new FileStage(
                                file,
                                Objects.requireNonNull(open.file),
                                open.streams,
                                counted,
                                topology.drainTimeout()))
                        .mapMaterializedValue(control -> runs(open, control));
            case Topology.DiscardSink discard ->
                Sink.fromGraph(new DiscardStage(open.streams, counted))
                        .mapMaterializedValue(control -> runs(open, control));
        };
    }

    private Graph<SinkShape<LentFrame>, NotUsed> listening(
            PipelineGraph graph, Topology.ListenSink sink, OpenSink open, SinkCounters counted, List<Connection> left) {
        ActorRef<Listener.Message> listener = Objects.requireNonNull(open.listener);
        Receivers receivers = new Receivers(sink.receivers());
        List<Sink<LentFrame, NotUsed>> slots = new ArrayList<>();
        for (int number = 0; number < sink.receivers(); number++) {
            int slot = number;
            SendStage stage = new SendStage(
                    open.streams,
                    reactor(),
                    sink.session(),
                    open.outbox(slot, sink.session(), counted, sink.receivers() > 1),
                    sink.input().whenFull() != WhenFull.BLOCK,
                    counted,
                    topology.drainTimeout(),
                    reason -> listener.tell(new Listener.Lost(slot, reason)),
                    sink.receivers() == 1 ? null : receivers.slot(slot));
            slots.add(Sink.fromGraph(stage).mapMaterializedValue(control -> {
                listener.tell(new Listener.Attach(slot, control, left.isEmpty() ? null : left.get(slot)));
                return runs(open, control);
            }));
        }
        return sink.receivers() == 1
                ? slots.getFirst()
                : graph.receivers(receivers, open.streams, topology.drainTimeout(), slots);
    }

    private static NotUsed runs(OpenSink sink, SinkControl control) {
        sink.controls.add(control);
        return NotUsed.getInstance();
    }

    private Behavior<Message> drain() {
        draining = true;
        acquiring.values().forEach(AcquireStage.Control::stop);
        controls().forEach(SinkControl::drain);
        return Behaviors.same();
    }

    /** Ends the streams; what the other topology has just the same leaves open what it has. */
    private Behavior<Message> changing(Topology wanted) {
        Set<String> finished = new HashSet<>();
        for (Topology.Sink sink : wanted.sinks()) {
            OpenSink open = sinks.get(sink.name());
            if (open != null
                    && open.sink.node().sameAs(sink.node())
                    && open.controls.stream()
                            .allMatch(control ->
                                    control.ended().toCompletableFuture().isDone())) {
                finished.add(sink.name()); // its sources have ended, or it has failed, which will be told
            }
        }
        Topology other = wanted.without(finished);
        Set<String> keptSources = openAsIn(other);
        Set<String> keptSinks = new HashSet<>();
        Set<String> keptFiles = new HashSet<>();
        for (Topology.Sink sink : other.sinks()) {
            OpenSink open = sinks.get(sink.name());
            if (open != null
                    && open.sink instanceof Topology.FileSink old
                    && sink instanceof Topology.FileSink now
                    && old.file().equals(now.file())) {
                keptFiles.add(sink.name());
            }
            if (open != null
                    && open.sink.node().sameAs(sink.node())
                    && open.ways.equals(other.streams(sink.name()))
                    && open.ways.stream().allMatch(way -> keptSources.contains(way.source()))) {
                keptSinks.add(sink.name());
            }
        }
        sinks.forEach((name, sink) -> {
            // Also where other streams go into the same file: it must not be begun anew, or refused since it exists.
            if (keptSinks.contains(name) || keptFiles.contains(name)) {
                sink.handedOver = true;
                sink.controls.forEach(SinkControl::handOver);
            } else {
                sink.controls.forEach(SinkControl::drain);
            }
        });
        return changing(other, keptSources, keptSinks);
    }

    private Behavior<Message> changing(Topology other, Set<String> keptSources, Set<String> keptSinks) {
        // After the sinks, which must know of it before their streams end.
        acquiring.forEach((name, control) -> {
            if (keptSources.contains(name)) {
                control.handOver();
            } else {
                control.stop();
            }
        });
        return Behaviors.receive(Message.class)
                .onMessage(Drain.class, this::onDrainLater)
                .onMessage(Change.class, this::onChangeLater)
                .onMessage(StreamsEnded.class, end -> {
                    Throwable failure = ofKept(end, keptSinks);
                    return failure != null ? stopping(failure) : leaving(other, keptSources, keptSinks);
                })
                .onMessage(SourceFailed.class, failed -> {
                    AcquireStage.Control control = acquiring.get(failed.source());
                    if (control != null) {
                        control.fail(failed.cause()); // its streams are about to end as it is
                    }
                    return Behaviors.same();
                })
                .onMessage(ConnectorStopped.class, this::onConnectorStopped)
                .build();
    }

    /** Of sinks that go anyway, nothing is expected but that they try. */
    private static @Nullable Throwable ofKept(StreamsEnded end, Set<String> keptSinks) {
        Throwable first = null;
        for (Map.Entry<String, Throwable> failure : end.failures().entrySet()) {
            if (keptSinks.contains(failure.getKey()) || failure.getKey().isEmpty()) {
                first = first == null ? failure.getValue() : first;
            } else {
                LOG.warn(
                        "{}, which goes: {}",
                        failure.getKey(),
                        failure.getValue().getMessage());
            }
        }
        return first;
    }

    /** What is not wanted any more goes before what is new comes: it may want the same address. */
    private Behavior<Message> leaving(Topology other, Set<String> keptSources, Set<String> keptSinks) {
        previous = topology;
        topology = other;
        Set<ActorRef<?>> leaving = new HashSet<>();
        sinks.values().removeIf(sink -> {
            boolean kept = keptSinks.contains(sink.sink.name());
            if (!kept && sink.handedOver) {
                sink.dropConnections();
                sink.outboxes.forEach(Outbox::abandon);
                if (sink.file != null) {
                    files.put(sink.sink.name(), sink.file);
                }
            }
            if (!kept && sink.connector != null) {
                leaving.add(sink.connector);
            }
            if (!kept && sink.listener != null) {
                leaving.add(sink.listener);
            }
            if (!kept) {
                sink.closeTransports();
            }
            return !kept;
        });
        leaving.forEach(context::stop);
        return leaving.isEmpty()
                ? reopening(keptSources)
                : Behaviors.receive(Message.class)
                        .onMessage(ConnectorStopped.class, stopped -> {
                            connectors.remove(stopped.connector());
                            leaving.remove(stopped.connector());
                            return leaving.isEmpty() ? reopening(keptSources) : Behaviors.same();
                        })
                        .onMessage(Drain.class, this::onDrainLater)
                        .onMessage(Change.class, this::onChangeLater)
                        .build();
    }

    private Behavior<Message> reopening(Set<String> keptSources) {
        Map<Topology.Stream, Topology.FilterNode> wanted = new HashMap<>();
        for (Topology.FilterNode filter : topology.filters()) {
            topology.streams(filter.name()).forEach(stream -> wanted.put(stream, filter));
        }
        CompletableFuture<Opened> reopened = CompletableFuture.supplyAsync(
                () -> {
                    filters.entrySet().removeIf(filter -> {
                        Topology.FilterNode now = wanted.get(filter.getKey());
                        boolean kept = now != null
                                && keptSources.contains(filter.getKey().source())
                                && filter.getValue().filter().node().sameAs(now.node());
                        if (!kept) {
                            retire(filter.getValue());
                        }
                        return !kept;
                    });
                    sources.values().removeIf(source -> {
                        boolean kept = keptSources.contains(source.source().name());
                        giveBack(source, kept);
                        if (!kept) {
                            close(source);
                        }
                        return !kept;
                    });
                    return open();
                },
                blocking);
        context.pipeToSelf(reopened, (opened, failure) -> opened != null ? opened : new OpeningFailed(unwrap(failure)));
        return Behaviors.receive(Message.class)
                .onMessage(Opened.class, opened -> {
                    reopenings = 0;
                    return running();
                })
                .onMessage(OpeningFailed.class, failed -> reopeningFailed(failed.cause()))
                .onMessage(ConnectorStopped.class, this::onConnectorStopped)
                .onMessage(Drain.class, this::onDrainLater)
                .onMessage(Change.class, this::onChangeLater)
                .build();
    }

    /** What was open may be away for a while; what is asked for newly is not waited for. */
    private Behavior<Message> reopeningFailed(Throwable cause) {
        if (previous == null || !previous.sameAs(topology)) {
            return fallBack(cause);
        }
        long now = System.nanoTime();
        if (reopenings == 0) {
            reopenUntilNanos = now + topology.restarts().within().toNanos();
        }
        if (now - reopenUntilNanos > 0) {
            return stopping(cause);
        }
        Duration delay = topology.restarts().backoff().delay(reopenings++, 0.5);
        LOG.warn("{}; trying again in {} ms", cause.getMessage(), delay.toMillis());
        context.scheduleOnce(delay, context.getSelf(), new TryAgain());
        return Behaviors.receive(Message.class)
                .onMessage(TryAgain.class, again -> reopening(openAsIn(topology)))
                .onMessage(ConnectorStopped.class, this::onConnectorStopped)
                .onMessage(Drain.class, drain -> stopping(cause))
                .onMessage(Change.class, this::onChangeLater)
                .build();
    }

    /** Once: if what ran before cannot be opened any more either, nothing runs. */
    private Behavior<Message> fallBack(Throwable cause) {
        Topology before = previous;
        if (before == null) {
            return stopping(cause);
        }
        LOG.error("the topology before goes on, for the one after cannot: {}", cause.getMessage());
        previous = null;
        topology = before;
        listening.values().forEach(TcpSocket::close);
        listening.clear();
        Set<String> wantedFiles = new HashSet<>();
        before.sinks().forEach(sink -> wantedFiles.add(sink.name()));
        files.entrySet().removeIf(file -> {
            boolean wanted = wantedFiles.contains(file.getKey());
            if (!wanted) {
                closeUnused(file.getValue());
            }
            return !wanted;
        });
        return reopening(openAsIn(before));
    }

    /** Names of the sources that are open and stay as they are. */
    private Set<String> openAsIn(Topology other) {
        Set<String> names = new HashSet<>();
        for (Topology.Source source : other.sources()) {
            OpenSource open = sources.get(source.name());
            if (open != null && open.source().node().sameAs(source.node())) {
                names.add(source.name());
            }
        }
        return names;
    }

    /** Of one that died of a defect meanwhile, another takes the place. */
    private Behavior<Message> onConnectorStopped(ConnectorStopped stopped) {
        connectors.remove(stopped.connector());
        sinks.values().forEach(sink -> {
            sink.connector = stopped.connector().equals(sink.connector) ? null : sink.connector;
            sink.listener = stopped.connector().equals(sink.listener) ? null : sink.listener;
        });
        return Behaviors.same();
    }

    /** The connectors use the reactor, so they go first. */
    private Behavior<Message> stopping(@Nullable Throwable failure) {
        if (connectors.isEmpty()) {
            return closing(failure);
        }
        connectors.forEach(context::stop);
        return Behaviors.receive(Message.class)
                .onMessage(ConnectorStopped.class, stopped -> {
                    connectors.remove(stopped.connector());
                    return connectors.isEmpty() ? closing(failure) : Behaviors.same();
                })
                .onAnyMessage(other -> Behaviors.same())
                .build();
    }

    private Behavior<Message> closing(@Nullable Throwable failure) {
        context.pipeToSelf(
                CompletableFuture.supplyAsync(() -> close(failure), blocking),
                (closed, defect) -> closed != null ? closed : new Closed(unwrap(defect)));
        return Behaviors.receive(Message.class)
                .onMessage(Closed.class, closed -> {
                    ended.tell(new End(id, everRan, closed.failure()));
                    return Behaviors.stopped();
                })
                .onAnyMessage(other -> Behaviors.same())
                .build();
    }

    private Closed close(@Nullable Throwable streamFailure) {
        Throwable failure = streamFailure;
        sinks.values().forEach(sink -> sink.outboxes.forEach(Outbox::abandon));
        for (OpenSource source : sources.values()) {
            Throwable refused = giveBack(source, false);
            failure = failure == null ? refused : failure;
        }
        for (OpenSink sink : sinks.values()) {
            try {
                sink.abandon();
            } catch (IOException e) {
                failure = failure == null ? e : failure;
            }
        }
        files.values().forEach(Pipeline::closeUnused);
        listening.values().forEach(TcpSocket::close);
        if (reactor != null) {
            reactor.close();
        }
        filters.values().forEach(this::retire);
        retired.forEach(FilterRunner::close);
        sources.values().forEach(this::close);
        return new Closed(failure);
    }

    /** A filter that fails at its end shall not keep a device open. */
    private void retire(OpenFilter filter) {
        retired.add(filter.runner());
        try {
            filter.runner().end();
        } catch (RuntimeException | LinkageError | StackOverflowError e) {
            LOG.warn("filter {} failed when it was closed: {}", filter.filter().name(), e.toString());
        }
    }

    private static void closeUnused(RotatingFile file) {
        try {
            file.close();
        } catch (IOException e) {
            LOG.debug("a file that nothing was written to was not closed: {}", e.getMessage());
        }
    }

    /**
     * Whatever stages still held; returns what the device answered if it refused it.
     *
     * @param goesOn whether other streams will take from the source
     */
    private @Nullable Throwable giveBack(OpenSource source, boolean goesOn) {
        try {
            counters.source(source.source().name())
                    .framesGivenBack
                    .add(goesOn ? source.pool().reclaim() : source.pool().leave());
            return null;
        } catch (IOException e) {
            return e;
        }
    }

    /** What the device counted last is what is known of it from now on. */
    private void close(OpenSource source) {
        DeviceCounts last = source.device().counts();
        counters.source(source.source().name()).device(() -> last);
        if (source.pool().readForGood()) {
            LOG.warn(
                    "{}: its memory stays mapped: a flow that was cut off may still read it",
                    source.source().name());
        } else {
            source.device().close();
        }
    }

    private static Throwable unwrap(@Nullable Throwable failure) {
        if (failure instanceof CompletionException && failure.getCause() != null) {
            return failure.getCause();
        }
        return failure != null ? failure : new IllegalStateException("failed without a reason");
    }
}
