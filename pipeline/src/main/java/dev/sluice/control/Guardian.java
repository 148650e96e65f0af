// SPDX-License-Identifier: Apache-2.0
package dev.sluice.control;

import dev.sluice.metrics.RunCounters;
import dev.sluice.metrics.Summary;
import dev.sluice.topology.Topology;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.jspecify.annotations.Nullable;

/**
 * The root of the actors: starts the pipelines of a topology, passes on the wish to stop or to change, and ends with the
 * last of them. One that fails does not touch the others.
 *
 * <p>In a change, a pipeline that has nodes in common with one of the new topology, and neither with another, becomes that
 * one. The others (also those that are split or joined) are drained, and what is new is started when they are gone: it may
 * want their devices.
 */
final class Guardian extends AbstractBehavior<Guardian.Message> {

    /** What it understands. */
    sealed interface Message {}

    /** Stop, but finish what was begun. */
    record Drain() implements Message {}

    /** Go on as this says. */
    record Change(Topology topology) implements Message {}

    private record Ended(Pipeline.End end) implements Message {}

    private record Died(String pipeline) implements Message {}

    /** A pipeline at work, and what it is at work on. */
    private record Running(ActorRef<Pipeline.Message> actor, Topology topology) {}

    private final Map<String, Running> pipelines = new LinkedHashMap<>();
    private final Set<String> leaving = new HashSet<>();
    private final List<Topology> waiting = new ArrayList<>();

    /** What came to its end by itself: it does not begin again because of a change elsewhere. */
    private final List<Topology> finished = new ArrayList<>();

    private final ActorRef<Pipeline.End> ended;
    private int started;
    private boolean draining;
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
        this.ended = context.messageAdapter(Pipeline.End.class, Ended::new);
        topology.pipelines().forEach(this::start);
    }

    private void start(Topology part) {
        String id = "pipeline-" + started++;
        ActorRef<Pipeline.Message> pipeline = getContext().spawn(Pipeline.create(id, part, counters, ended), id);
        pipelines.put(id, new Running(pipeline, part));
        getContext().watchWith(pipeline, new Died(id));
    }

    @Override
    public Receive<Message> createReceive() {
        return newReceiveBuilder()
                .onMessage(Drain.class, this::onDrain)
                .onMessage(Change.class, this::onChange)
                .onMessage(Ended.class, this::onEnded)
                .onMessage(Died.class, this::onDied)
                .build();
    }

    private Behavior<Message> onDrain(Drain drain) {
        draining = true;
        waiting.clear();
        pipelines.values().forEach(pipeline -> pipeline.actor().tell(new Pipeline.Drain()));
        return this;
    }

    private Behavior<Message> onChange(Change change) {
        if (draining) {
            return this;
        }
        waiting.clear();
        Map<String, Running> old = new LinkedHashMap<>(pipelines);
        old.keySet().removeAll(leaving);
        List<Topology> parts = change.topology().pipelines();
        Set<String> kept = new HashSet<>();
        for (Topology part : parts) {
            List<String> before = old.entrySet().stream()
                    .filter(running -> shareANode(running.getValue().topology(), part))
                    .map(Map.Entry::getKey)
                    .toList();
            Running one = before.size() == 1 ? old.get(before.getFirst()) : null;
            if (one != null
                    && parts.stream()
                                    .filter(other -> shareANode(one.topology(), other))
                                    .count()
                            == 1) {
                kept.add(before.getFirst());
                become(before.getFirst(), one, part);
            } else if (!before.isEmpty() || finished.stream().noneMatch(part::sameAs)) {
                waiting.add(part);
            }
        }
        old.forEach((id, running) -> {
            if (!kept.contains(id)) {
                leaving.add(id);
                running.actor().tell(new Pipeline.Drain());
            }
        });
        startWaiting();
        return this;
    }

    private void become(String id, Running running, Topology part) {
        if (!running.topology().sameAs(part)) {
            running.actor().tell(new Pipeline.Change(part));
            pipelines.put(id, new Running(running.actor(), part));
        }
    }

    private static boolean shareANode(Topology one, Topology other) {
        return one.nodes().keySet().stream().anyMatch(other.nodes()::containsKey);
    }

    private void startWaiting() {
        if (leaving.isEmpty()) {
            waiting.forEach(this::start);
            waiting.clear();
        }
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
        Running gone = pipelines.remove(pipeline);
        if (gone != null && why == null && !leaving.contains(pipeline)) {
            finished.add(gone.topology());
        }
        leaving.remove(pipeline);
        startWaiting();
        if (why != null && gone != null && !pipelines.isEmpty()) {
            String name = gone.topology().sources().getFirst().name();
            getContext().getLog().error("the pipeline of {} ended, the others go on: {}", name, why.getMessage());
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
