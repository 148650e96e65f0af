// SPDX-License-Identifier: Apache-2.0
package dev.sluice.control;

import dev.sluice.metrics.RunCounters;
import dev.sluice.metrics.Summary;
import dev.sluice.topology.Topology;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.jspecify.annotations.Nullable;

/**
 * The root of the actors: starts the pipelines of a topology, passes on the wish to stop, and ends with the last of them.
 * One that fails does not touch the others.
 */
final class Guardian extends AbstractBehavior<Guardian.Message> {

    /** What it understands. */
    sealed interface Message {}

    /** Stop, but finish what was begun. */
    record Drain() implements Message {}

    private record Ended(Pipeline.End end) implements Message {}

    private record Died(String pipeline) implements Message {}

    private final Map<String, ActorRef<Pipeline.Message>> pipelines = new LinkedHashMap<>();
    private final RunCounters counters;
    private final CompletableFuture<Outcome> outcome;
    private final long startedNanos = System.nanoTime();
    private boolean anyStarted;
    private @Nullable Throwable failure;

    static Behavior<Message> create(Topology topology, RunCounters counters, CompletableFuture<Outcome> outcome) {
        return Behaviors.setup(context -> new Guardian(context, topology, counters, outcome));
    }

    private Guardian(
            ActorContext<Message> context,
            Topology topology,
            RunCounters counters,
            CompletableFuture<Outcome> outcome) {
        super(context);
        this.counters = counters;
        this.outcome = outcome;
        ActorRef<Pipeline.End> ended = context.messageAdapter(Pipeline.End.class, Ended::new);
        int number = 0;
        for (Topology part : topology.pipelines()) {
            String name = part.sources().getFirst().name();
            ActorRef<Pipeline.Message> pipeline =
                    context.spawn(Pipeline.create(name, part, counters, ended), "pipeline-" + number++);
            pipelines.put(name, pipeline);
            context.watchWith(pipeline, new Died(name));
        }
    }

    @Override
    public Receive<Message> createReceive() {
        return newReceiveBuilder()
                .onMessage(Drain.class, this::onDrain)
                .onMessage(Ended.class, this::onEnded)
                .onMessage(Died.class, this::onDied)
                .build();
    }

    private Behavior<Message> onDrain(Drain drain) {
        pipelines.values().forEach(pipeline -> pipeline.tell(new Pipeline.Drain()));
        return this;
    }

    private Behavior<Message> onEnded(Ended ended) {
        anyStarted |= ended.end().started();
        return gone(ended.end().pipeline(), ended.end().failure());
    }

    /** Without a word, unless it told its end before: whoever waits for the outcome must not wait for ever. */
    private Behavior<Message> onDied(Died died) {
        return pipelines.containsKey(died.pipeline())
                ? gone(died.pipeline(), new IllegalStateException("the pipeline's actor died; see the log"))
                : this;
    }

    private Behavior<Message> gone(String pipeline, @Nullable Throwable why) {
        pipelines.remove(pipeline);
        if (why != null && !pipelines.isEmpty()) {
            getContext().getLog().error("the pipeline of {} ended, the others go on: {}", pipeline, why.getMessage());
        }
        failure = failure == null ? why : failure;
        if (!pipelines.isEmpty()) {
            return this;
        }
        Duration elapsed = anyStarted ? Duration.ofNanos(System.nanoTime() - startedNanos) : Duration.ZERO;
        outcome.complete(new Outcome(Summary.of(counters, elapsed), failure));
        return Behaviors.stopped();
    }
}
