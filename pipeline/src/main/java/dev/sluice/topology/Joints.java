// SPDX-License-Identifier: Apache-2.0
package dev.sluice.topology;

import com.typesafe.config.ConfigOrigin;
import dev.sluice.filter.Problems;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/** How the nodes of a file are joined: collects who takes frames from whom, and says what is wrong with that. */
final class Joints {

    /** Most streams of one sink. Each has a header and a transfer for every buffer; more is a mistake in the file. */
    private static final int MOST_STREAMS = 64;

    private enum Kind {
        SOURCE,
        FILTER,
        SINK
    }

    /**
     * A node, of whatever type it is: even one that cannot be read is there for others to name.
     *
     * @param section "sinks"
     * @param fromOrigin where its "from" stands
     */
    private record Joint(String section, Kind kind, ConfigOrigin origin, List<String> from, ConfigOrigin fromOrigin) {
        /** Where the node's name stands. */
        List<String> keys(String name) {
            return List.of("sluice", section, name);
        }

        /** Where its "from" stands. */
        List<String> fromKeys(String name) {
            return List.of("sluice", section, name, "from");
        }
    }

    private final Problems problems;
    private final Map<String, Joint> joints = new LinkedHashMap<>();

    /** Whether one name stood for two nodes, so that it is not known who takes from whom. */
    private boolean clash;

    Joints(Problems problems) {
        this.problems = problems;
    }

    /** Notes a node. */
    void add(String section, String name, ConfigOrigin origin, List<String> from, ConfigOrigin fromOrigin) {
        Joint before = joints.get(name);
        if (before != null) {
            clash = true;
            problems.addKey(
                    origin,
                    List.of("sluice", section, name),
                    section + "." + name + " has the name of another node (line "
                            + before.origin().lineNumber() + "): every node needs a name of its own");
            return;
        }
        Kind kind = section.equals("sources") ? Kind.SOURCE : section.equals("filters") ? Kind.FILTER : Kind.SINK;
        joints.put(name, new Joint(section, kind, origin, List.copyOf(from), fromOrigin));
    }

    /** Every name exists and is no sink; there are no cycles; every node is on a way from a source to a sink. */
    void check() {
        Set<String> takeable = new TreeSet<>(joints.keySet());
        takeable.removeIf(name -> kind(name) == Kind.SINK);
        int before = problems.count();
        joints.forEach((name, joint) -> checkNames(name, joint, takeable));
        boolean unjoined = joints.values().stream()
                .anyMatch(joint -> joint.kind() != Kind.SOURCE && joint.from().isEmpty());
        if (clash || unjoined || problems.count() > before) {
            return; // what follows would only say the same in other words
        }
        Set<String> inCycles = checkCycles();
        checkUse(inCycles);
        if (problems.count() == before) {
            checkStreams();
        }
    }

    private void checkNames(String name, Joint joint, Set<String> takeable) {
        Set<String> others = new TreeSet<>(takeable);
        others.remove(name);
        Set<String> seen = new HashSet<>();
        for (String from : joint.from()) {
            String what = joint.section() + "." + name + ".from";
            if (from.equals(name)) {
                problems.addValue(joint.fromOrigin(), joint.fromKeys(name), from, what + " is the node itself");
            } else if (!takeable.contains(from)) {
                problems.addValue(
                        joint.fromOrigin(),
                        joint.fromKeys(name),
                        from,
                        what + " is \"" + from + "\", which is no source or filter here; there are "
                                + (others.isEmpty() ? "none" : String.join(", ", others))
                                + Problems.suggestion(from, others));
            } else if (!seen.add(from)) {
                problems.addValue(
                        joint.fromOrigin(), joint.fromKeys(name), from, what + " names \"" + from + "\" twice");
            }
        }
    }

    /** Takes away, again and again, the nodes that take from none of those left; who remains is in or behind a cycle. */
    private Set<String> checkCycles() {
        Map<String, Joint> left = new LinkedHashMap<>(joints);
        boolean more = true;
        while (more) {
            more = left.values().removeIf(joint -> joint.from().stream().noneMatch(left::containsKey));
        }
        Set<String> told = new HashSet<>();
        for (String name : left.keySet()) {
            List<String> way = new ArrayList<>();
            String at = name;
            while (!way.contains(at) && !told.contains(at)) {
                way.add(at);
                at = joint(at).from().stream()
                        .filter(left::containsKey)
                        .findFirst()
                        .orElse(at);
            }
            if (way.contains(at)) {
                List<String> cycle = way.subList(way.indexOf(at), way.size()).reversed();
                Joint first = joint(cycle.getFirst());
                problems.addValue(
                        first.fromOrigin(),
                        first.fromKeys(cycle.getFirst()),
                        cycle.getLast(),
                        "these take frames from each other in a circle: " + String.join(" → ", cycle) + " → "
                                + cycle.getFirst() + "; one of them must take from a source");
            }
            told.addAll(way);
        }
        return left.keySet();
    }

    private void checkUse(Set<String> inCycles) {
        Set<String> used = new HashSet<>();
        List<String> open = new ArrayList<>(joints.keySet());
        open.removeIf(name -> kind(name) != Kind.SINK);
        while (!open.isEmpty()) {
            String name = open.removeLast();
            if (used.add(name)) {
                open.addAll(joint(name).from());
            }
        }
        joints.forEach((name, joint) -> {
            if (!used.contains(name) && !inCycles.contains(name)) {
                problems.addKey(
                        joint.origin(),
                        joint.keys(name),
                        joint.section() + "." + name
                                + " is not used: no sink takes its frames; name it in a \"from\" or leave it out");
            }
        });
    }

    private void checkStreams() {
        Map<String, Long> counts = new HashMap<>();
        joints.forEach((name, joint) -> {
            if (joint.kind() == Kind.SINK && count(name, counts) > MOST_STREAMS) {
                problems.addKey(
                        joint.fromOrigin(),
                        joint.fromKeys(name),
                        joint.section() + "." + name + " is sent more than " + MOST_STREAMS
                                + " streams: every way from a source to it is one; use fewer, or several sinks");
            }
        });
    }

    private long count(String name, Map<String, Long> known) {
        Long before = known.get(name);
        if (before != null) {
            return before;
        }
        long sum = kind(name) == Kind.SOURCE ? 1 : 0;
        for (String from : joint(name).from()) {
            sum = Math.min(Integer.MAX_VALUE, sum + count(from, known));
        }
        known.put(name, sum);
        return sum;
    }

    private Kind kind(String name) {
        return joint(name).kind();
    }

    private Joint joint(String name) {
        Joint joint = joints.get(name);
        if (joint == null) {
            throw new IllegalArgumentException("there is no node " + name);
        }
        return joint;
    }
}
