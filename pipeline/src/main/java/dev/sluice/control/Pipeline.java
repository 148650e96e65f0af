// SPDX-License-Identifier: Apache-2.0
package dev.sluice.control;

import dev.sluice.device.BufferDevice;
import dev.sluice.device.DriverDevice;
import dev.sluice.device.ReplayDevice;
import dev.sluice.device.SimulatedDevice;
import dev.sluice.metrics.DeviceCounts;
import dev.sluice.metrics.RunCounters;
import dev.sluice.metrics.SinkCounters;
import dev.sluice.metrics.SourceCounters;
import dev.sluice.stream.AcquireStage;
import dev.sluice.stream.DiscardStage;
import dev.sluice.stream.FilterException;
import dev.sluice.stream.FilterRunner;
import dev.sluice.stream.FramePool;
import dev.sluice.stream.LentFrame;
import dev.sluice.stream.PipelineGraph;
import dev.sluice.stream.Reactor;
import dev.sluice.stream.SendStage;
import dev.sluice.stream.SinkControl;
import dev.sluice.stream.SinkStream;
import dev.sluice.topology.Topology;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import org.apache.pekko.NotUsed;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.DispatcherSelector;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.stream.Materializer;
import org.apache.pekko.stream.javadsl.Sink;
import org.apache.pekko.stream.javadsl.Source;
import org.jspecify.annotations.Nullable;

/**
 * The life of one pipeline: nodes that are joined to each other, and to nothing else.
 *
 * <pre>
 *   opening ──devices open──▶ running ──streams ended──▶ stopping ──▶ closing ──▶ end told
 *      └───────one could not be opened───────────────────────────────────▲
 * </pre>
 *
 * <p>Opening and closing may take a while (a device allocates its buffers, a thread is joined), so they run on the
 * dispatcher for blocking work.
 */
final class Pipeline {

    /** What it understands. */
    sealed interface Message {}

    /** Stop, but finish what was begun. */
    record Drain() implements Message {}

    private record Opened(OpenParts parts) implements Message {}

    private record OpeningFailed(Throwable cause) implements Message {}

    private record StreamsEnded(@Nullable Throwable failure) implements Message {}

    private record ConnectorStopped() implements Message {}

    private record Closed(@Nullable Throwable failure) implements Message {}

    /**
     * How it ended.
     *
     * @param pipeline its name: its first source's
     * @param started whether its devices could be opened
     * @param failure why it did not end well, or null
     */
    record End(String pipeline, boolean started, @Nullable Throwable failure) {}

    /** What is open between opening and closing. Written while opening, by one thread; read after that. */
    private static final class OpenParts {
        final Map<String, BufferDevice> devices = new LinkedHashMap<>();
        final Map<String, FramePool> pools = new LinkedHashMap<>();
        final Map<Topology.Stream, FilterRunner> filters = new LinkedHashMap<>();

        @Nullable
        Reactor reactor;

        Reactor reactor() {
            Reactor made = reactor;
            if (made == null) {
                throw new IllegalStateException("the reactor is used before it is made");
            }
            return made;
        }

        /** In reverse. The filters' memory and the devices' may go once nobody reads them, which the stream's end said. */
        void close() {
            if (reactor != null) {
                reactor.close();
            }
            filters.values().forEach(FilterRunner::close);
            devices.values().forEach(BufferDevice::close);
        }
    }

    private final ActorContext<Message> context;
    private final String name;
    private final Topology topology;
    private final RunCounters counters;
    private final ActorRef<End> ended;
    private final Executor blocking;
    private final List<AcquireStage.Control> acquiring = new ArrayList<>();
    private final List<SinkControl> sending = new ArrayList<>();
    private final List<ActorRef<Connector.Message>> connectors = new ArrayList<>();
    private boolean drainWhenRunning;

    static Behavior<Message> create(String name, Topology topology, RunCounters counters, ActorRef<End> ended) {
        return Behaviors.setup(context -> new Pipeline(context, name, topology, counters, ended).opening());
    }

    private Pipeline(
            ActorContext<Message> context, String name, Topology topology, RunCounters counters, ActorRef<End> ended) {
        this.context = context;
        this.name = name;
        this.topology = topology;
        this.counters = counters;
        this.ended = ended;
        this.blocking = context.getSystem().dispatchers().lookup(DispatcherSelector.blocking());
    }

    private Behavior<Message> opening() {
        context.pipeToSelf(
                CompletableFuture.supplyAsync(this::open, blocking),
                (opened, failure) -> opened != null ? opened : new OpeningFailed(unwrap(failure)));
        return Behaviors.receive(Message.class)
                .onMessage(Opened.class, opened -> running(opened.parts()))
                .onMessage(OpeningFailed.class, failed -> end(new End(name, false, failed.cause())))
                .onMessage(Drain.class, this::onDrainWhileOpening)
                .build();
    }

    private Opened open() {
        OpenParts parts = new OpenParts();
        try {
            for (Topology.Source source : topology.sources()) {
                BufferDevice device = device(source);
                parts.devices.put(source.name(), device);
                SourceCounters counted = counters.source(source.name());
                counted.device(device::counts);
                parts.pools.put(source.name(), new FramePool(device, counted));
            }
            for (Topology.FilterNode filter : topology.filters()) {
                for (Topology.Stream stream : topology.streams(filter.name())) {
                    open(filter, stream, parts);
                }
            }
            parts.reactor = new Reactor(name);
            return new Opened(parts);
        } catch (IOException | FilterException e) {
            closeUnused(parts);
            throw new CompletionException(e);
        } catch (RuntimeException | Error e) {
            closeUnused(parts);
            throw e;
        }
    }

    private void open(Topology.FilterNode filter, Topology.Stream stream, OpenParts parts) throws FilterException {
        FramePool pool = parts.pools.get(stream.source());
        List<String> way = stream.nodes();
        FilterRunner before = parts.filters.get(new Topology.Stream(way.subList(0, way.size() - 1)));
        if (pool != null) {
            long mostFrameBytes = before != null ? before.mostFrameBytes() : pool.mostFrameBytes();
            parts.filters.put(stream, new FilterRunner(filter.name(), filter.maker(), pool, mostFrameBytes));
        }
    }

    private static BufferDevice device(Topology.Source source) throws IOException {
        return switch (source) {
            case Topology.Driver driver -> DriverDevice.open(source.name(), driver.settings());
            case Topology.Simulated simulated -> new SimulatedDevice(source.name(), simulated.settings());
            case Topology.Replay replay -> new ReplayDevice(source.name(), replay.settings());
        };
    }

    /** What the devices counted last is what is known of them from now on. */
    private void closeUnused(OpenParts parts) {
        keepCounts(parts);
        parts.close();
    }

    private void keepCounts(OpenParts parts) {
        parts.devices.forEach((source, device) -> {
            DeviceCounts last = device.counts();
            counters.source(source).device(() -> last);
        });
    }

    private Behavior<Message> onDrainWhileOpening(Drain drain) {
        drainWhenRunning = true;
        return Behaviors.same();
    }

    private Behavior<Message> running(OpenParts parts) {
        PipelineGraph graph = new PipelineGraph(topology, parts.pools);
        parts.pools.forEach((source, pool) -> graph.source(
                source,
                Source.fromGraph(new AcquireStage(device(parts, source), pool, parts.reactor()))
                        .mapMaterializedValue(control -> note(acquiring, control))));
        parts.filters.forEach(graph::filter);
        for (Topology.Sink sink : topology.sinks()) {
            SinkCounters counted = counters.sink(sink.name());
            List<SinkStream> streams = streams(sink, parts);
            graph.sink(sink.name(), sinkStage(sink, streams, counted, parts.reactor()), streams, counted);
        }
        graph.run(Materializer.createMaterializer(context));
        CompletableFuture<?>[] ends = new CompletableFuture<?>[acquiring.size() + sending.size()];
        int count = 0;
        for (AcquireStage.Control source : acquiring) {
            ends[count++] = source.ended().toCompletableFuture();
        }
        for (SinkControl sink : sending) {
            ends[count++] = sink.ended().toCompletableFuture();
        }
        context.pipeToSelf(
                CompletableFuture.allOf(ends),
                (done, failure) -> new StreamsEnded(failure == null ? null : unwrap(failure)));
        if (drainWhenRunning) {
            drain();
        }
        return Behaviors.receive(Message.class)
                .onMessage(Drain.class, d -> drain())
                .onMessage(StreamsEnded.class, end -> stopping(parts, end.failure()))
                .build();
    }

    private static BufferDevice device(OpenParts parts, String name) {
        BufferDevice device = parts.devices.get(name);
        if (device == null) {
            throw new IllegalStateException("source " + name + " is not open");
        }
        return device;
    }

    private static <T> NotUsed note(List<T> controls, T control) {
        controls.add(control);
        return NotUsed.getInstance();
    }

    private List<SinkStream> streams(Topology.Sink sink, OpenParts parts) {
        List<SinkStream> streams = new ArrayList<>();
        for (Topology.Stream stream : topology.streams(sink.name())) {
            FramePool pool = parts.pools.get(stream.source());
            if (pool != null) {
                streams.add(new SinkStream(pool, sink.input().firstStreamId() + streams.size()));
            }
        }
        return List.copyOf(streams);
    }

    private Sink<LentFrame, NotUsed> sinkStage(
            Topology.Sink sink, List<SinkStream> streams, SinkCounters counted, Reactor reactor) {
        return switch (sink) {
            case Topology.TcpSink tcp -> {
                ActorRef<Connector.Message> connector = context.spawnAnonymous(Connector.create(tcp, reactor, counted));
                connectors.add(connector);
                SendStage stage = new SendStage(
                        streams,
                        reactor,
                        tcp.framing(),
                        counted,
                        topology.drainTimeout(),
                        reason -> connector.tell(new Connector.Lost(reason)));
                yield Sink.fromGraph(stage).mapMaterializedValue(control -> {
                    connector.tell(new Connector.Attach(control));
                    return note(sending, control);
                });
            }
            case Topology.DiscardSink discard ->
                Sink.fromGraph(new DiscardStage(streams, counted))
                        .mapMaterializedValue(control -> note(sending, control));
        };
    }

    private Behavior<Message> drain() {
        acquiring.forEach(AcquireStage.Control::stop);
        sending.forEach(SinkControl::drain);
        return Behaviors.same();
    }

    /** The connectors use the reactor, so they go first. */
    private Behavior<Message> stopping(OpenParts parts, @Nullable Throwable failure) {
        if (connectors.isEmpty()) {
            return closing(parts, failure);
        }
        for (ActorRef<Connector.Message> connector : connectors) {
            context.watchWith(connector, new ConnectorStopped());
            context.stop(connector);
        }
        return Behaviors.receive(Message.class)
                .onMessage(ConnectorStopped.class, stopped -> {
                    connectors.removeLast();
                    return connectors.isEmpty() ? closing(parts, failure) : Behaviors.same();
                })
                .onMessage(Drain.class, d -> Behaviors.same())
                .build();
    }

    private Behavior<Message> closing(OpenParts parts, @Nullable Throwable failure) {
        context.pipeToSelf(
                CompletableFuture.supplyAsync(() -> close(parts, failure), blocking),
                (closed, defect) -> closed != null ? closed : new Closed(unwrap(defect)));
        return Behaviors.receive(Message.class)
                .onMessage(Closed.class, closed -> end(new End(name, true, closed.failure())))
                .onMessage(Drain.class, d -> Behaviors.same())
                .build();
    }

    private Behavior<Message> end(End end) {
        ended.tell(end);
        return Behaviors.stopped();
    }

    private Closed close(OpenParts parts, @Nullable Throwable streamFailure) {
        Throwable failure = streamFailure;
        Map<String, FramePool> pools = new HashMap<>(parts.pools);
        for (Map.Entry<String, FramePool> pool : pools.entrySet()) {
            try {
                counters.source(pool.getKey())
                        .framesGivenBack
                        .add(pool.getValue().reclaim());
            } catch (IOException e) {
                failure = failure == null ? e : failure;
            }
        }
        keepCounts(parts);
        parts.close();
        return new Closed(failure);
    }

    private static Throwable unwrap(@Nullable Throwable failure) {
        if (failure instanceof CompletionException && failure.getCause() != null) {
            return failure.getCause();
        }
        return failure != null ? failure : new IllegalStateException("failed without a reason");
    }
}
