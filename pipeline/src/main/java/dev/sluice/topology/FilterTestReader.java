// SPDX-License-Identifier: Apache-2.0
package dev.sluice.topology;

import dev.sluice.filter.Problems;
import dev.sluice.filter.Settings;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;

/** Reads the {@code tests} of a file. Paths in them count from the file's folder, so that they go where it goes. */
final class FilterTestReader {

    private static final long MOST_FRAME_BYTES = 64L << 20;
    private static final Pattern SPACE = Pattern.compile("\\s+");
    private static final Pattern HEX = Pattern.compile("[0-9a-fA-F]*");
    private static final Pattern SHA_256 = Pattern.compile("[0-9a-fA-F]{64}");

    private final Path folder;

    FilterTestReader(Path folder) {
        this.folder = folder;
    }

    Topology.FilterTest read(Topology.Node node, Settings settings, List<Topology.FilterNode> filters) {
        List<Topology.Content> inputs = new ArrayList<>();
        file(settings, "input-file").ifPresent(inputs::add);
        hex(settings, "input").ifPresent(inputs::add);
        List<Topology.Content> outputs = new ArrayList<>();
        file(settings, "output-file").ifPresent(outputs::add);
        hex(settings, "output").ifPresent(outputs::add);
        hash(settings).ifPresent(outputs::add);
        int frameBytes = (int) settings.bytes("frame-size", 1, MOST_FRAME_BYTES);
        List<String> names = settings.texts("filters");
        checkFilters(settings, names, filters);
        return new Topology.FilterTest(
                node,
                only(settings, inputs, "input", "input-file"),
                frameBytes,
                names,
                only(settings, outputs, "output", "output-file, output-sha256"));
    }

    private static void checkFilters(Settings settings, List<String> names, List<Topology.FilterNode> filters) {
        Set<String> known = new TreeSet<>();
        filters.stream().filter(Topology.OfFilter.class::isInstance).forEach(filter -> known.add(filter.name()));
        for (String name : names) {
            if (!known.contains(name)) {
                settings.problem(
                        "filters",
                        name,
                        "names \"" + name + "\", which is no filter here that can be tested; there are "
                                + (known.isEmpty() ? "none" : String.join(", ", known))
                                + Problems.suggestion(name, known));
            }
        }
    }

    private static Topology.Content only(Settings settings, List<Topology.Content> given, String key, String others) {
        if (given.size() != 1) {
            settings.problem(
                    key,
                    given.isEmpty()
                            ? "is missing: write it, or " + others
                            : "is one of several: write only one of " + key + ", " + others);
        }
        return given.isEmpty() ? new Topology.Literal("") : given.getFirst();
    }

    private Optional<Topology.Content> file(Settings settings, String key) {
        return settings.written(key)
                ? Optional.of(new Topology.InFile(folder.resolve(TopologyReader.path(settings, key))))
                : Optional.empty();
    }

    private static Optional<Topology.Content> hex(Settings settings, String key) {
        if (!settings.written(key)) {
            return Optional.empty();
        }
        String text = settings.any(key);
        boolean bytes = SPACE.splitAsStream(text)
                .allMatch(part -> part.length() % 2 == 0 && HEX.matcher(part).matches());
        if (!bytes) {
            settings.problem(key, text, "is not bytes: write two hexadecimal digits for each, \"00 7f ff\"");
            return Optional.of(new Topology.Literal(""));
        }
        return Optional.of(new Topology.Literal(SPACE.matcher(text).replaceAll("")));
    }

    private static Optional<Topology.Content> hash(Settings settings) {
        String key = "output-sha256";
        if (!settings.written(key)) {
            return Optional.empty();
        }
        String text = settings.text(key);
        if (!SHA_256.matcher(text).matches()) {
            settings.problem(key, text, "is not a SHA-256: write its 64 hexadecimal digits, as sha256sum prints them");
        }
        return Optional.of(new Topology.Hashed(text));
    }
}
