// SPDX-License-Identifier: Apache-2.0
package dev.sluice.control;

import dev.sluice.device.BufferDevice;
import dev.sluice.device.DriverDevice;
import dev.sluice.device.ReplayDevice;
import dev.sluice.device.SimulatedDevice;
import dev.sluice.metrics.DeviceCounts;
import dev.sluice.metrics.PipelineCounters;
import dev.sluice.metrics.Summary;
import dev.sluice.stream.AcquireStage;
import dev.sluice.stream.FilterStage;
import dev.sluice.stream.FramePool;
import dev.sluice.stream.LentFrame;
import dev.sluice.stream.Reactor;
import dev.sluice.stream.SendStage;
import dev.sluice.topology.Topology;
import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executor;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.DispatcherSelector;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.stream.Materializer;
import org.apache.pekko.stream.javadsl.Keep;
import org.apache.pekko.stream.javadsl.Sink;
import org.apache.pekko.stream.javadsl.Source;
import org.jspecify.annotations.Nullable;

/**
 * The life of one pipeline.
 *
 * <pre>
 *   opening ──device open──▶ running ──stream ended──▶ stopping ──▶ closing ──▶ outcome told
 *      └───────could not be opened──────────────────────────────────────▲
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

    private record Opened(BufferDevice device, Reactor reactor) implements Message {}

    private record OpeningFailed(Throwable cause) implements Message {}

    private record StreamEnded(@Nullable Throwable failure) implements Message {}

    private record ConnectorStopped() implements Message {}

    private record Closed(Outcome outcome) implements Message {}

    private final ActorContext<Message> context;
    private final Topology topology;
    private final PipelineCounters counters;
    private final ActorRef<Outcome> ended;
    private final Executor blocking;
    private final long startedNanos = System.nanoTime();
    private boolean drainWhenRunning;

    static Behavior<Message> create(Topology topology, PipelineCounters counters, ActorRef<Outcome> ended) {
        return Behaviors.setup(context -> new Pipeline(context, topology, counters, ended).opening());
    }

    private Pipeline(
            ActorContext<Message> context, Topology topology, PipelineCounters counters, ActorRef<Outcome> ended) {
        this.context = context;
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
                .onMessage(Opened.class, this::onOpened)
                .onMessage(OpeningFailed.class, this::onOpeningFailed)
                .onMessage(Drain.class, this::onDrainWhileOpening)
                .build();
    }

    private Opened open() {
        BufferDevice device = null;
        try {
            device = switch (topology.source()) {
                case Topology.Driver(String name, DriverDevice.Settings settings) -> DriverDevice.open(name, settings);
                case Topology.Simulated(String name, SimulatedDevice.Settings settings) ->
                    new SimulatedDevice(name, settings);
                case Topology.Replay(String name, ReplayDevice.Settings settings) -> new ReplayDevice(name, settings);
            };
            return new Opened(device, new Reactor(device.name()));
        } catch (IOException e) {
            if (device != null) {
                device.close();
            }
            throw new CompletionException(e);
        }
    }

    private Behavior<Message> onDrainWhileOpening(Drain drain) {
        drainWhenRunning = true;
        return Behaviors.same();
    }

    private Behavior<Message> onOpeningFailed(OpeningFailed failed) {
        ended.tell(new Outcome(Summary.of(counters, counters.device(), 0, Duration.ZERO), failed.cause()));
        return Behaviors.stopped();
    }

    private Behavior<Message> onOpened(Opened opened) {
        BufferDevice device = opened.device();
        counters.device(device::counts);
        FramePool pool = new FramePool(device, counters);
        Topology.TcpSink sink = topology.sink();
        ActorRef<Connector.Message> connector =
                context.spawn(Connector.create(sink, opened.reactor(), counters), "connector");
        Source<LentFrame, AcquireStage.Control> frames =
                Source.fromGraph(new AcquireStage(device, pool, opened.reactor()));
        for (Topology.FilterNode filter : topology.filters()) {
            frames = frames.via(new FilterStage(filter.name(), filter.maker(), pool));
        }
        SendStage send = new SendStage(
                pool,
                opened.reactor(),
                sink.framing(),
                sink.streamId(),
                counters,
                topology.drainTimeout(),
                reason -> connector.tell(new Connector.Lost(reason)));
        var controls = frames.toMat(Sink.fromGraph(send), Keep.both()).run(Materializer.createMaterializer(context));
        connector.tell(new Connector.Attach(controls.second()));
        CompletionStage<Void> streamEnded = controls.first()
                .ended()
                .thenCombine(controls.second().ended(), (a, b) -> a)
                .thenAccept(done -> {});
        context.pipeToSelf(streamEnded, (done, failure) -> new StreamEnded(failure == null ? null : unwrap(failure)));
        if (drainWhenRunning) {
            drain(controls.first(), controls.second());
        }
        return Behaviors.receive(Message.class)
                .onMessage(Drain.class, d -> drain(controls.first(), controls.second()))
                .onMessage(StreamEnded.class, end -> stopping(connector, opened, pool, end.failure()))
                .build();
    }

    private Behavior<Message> drain(AcquireStage.Control acquire, SendStage.Control send) {
        acquire.stop();
        send.drain();
        return Behaviors.same();
    }

    /** The connector uses the reactor, so it goes first. */
    private Behavior<Message> stopping(
            ActorRef<Connector.Message> connector, Opened opened, FramePool pool, @Nullable Throwable failure) {
        context.watchWith(connector, new ConnectorStopped());
        context.stop(connector);
        return Behaviors.receive(Message.class)
                .onMessage(ConnectorStopped.class, stopped -> closing(opened, pool, failure))
                .onMessage(Drain.class, d -> Behaviors.same())
                .build();
    }

    private Behavior<Message> closing(Opened opened, FramePool pool, @Nullable Throwable failure) {
        context.pipeToSelf(
                CompletableFuture.supplyAsync(() -> close(opened, pool, failure), blocking),
                (outcome, defect) -> new Closed(
                        outcome != null
                                ? outcome
                                : new Outcome(Summary.of(counters, counters.device(), 0, elapsed()), unwrap(defect))));
        return Behaviors.receive(Message.class)
                .onMessage(Closed.class, this::onClosed)
                .onMessage(Drain.class, d -> Behaviors.same())
                .build();
    }

    private Behavior<Message> onClosed(Closed closed) {
        ended.tell(closed.outcome());
        return Behaviors.stopped();
    }

    private Outcome close(Opened opened, FramePool pool, @Nullable Throwable streamFailure) {
        Throwable failure = streamFailure;
        Duration elapsed = elapsed();
        int givenBack = 0;
        try {
            givenBack = pool.reclaim();
        } catch (IOException e) {
            failure = failure == null ? e : failure;
        }
        DeviceCounts last = opened.device().counts();
        counters.device(() -> last);
        opened.reactor().close();
        opened.device().close();
        return new Outcome(Summary.of(counters, last, givenBack, elapsed), failure);
    }

    private Duration elapsed() {
        return Duration.ofNanos(System.nanoTime() - startedNanos);
    }

    private static Throwable unwrap(@Nullable Throwable failure) {
        if (failure instanceof CompletionException && failure.getCause() != null) {
            return failure.getCause();
        }
        return failure != null ? failure : new IllegalStateException("failed without a reason");
    }
}
