"""Operations on whole clusters: create, delete, start, stop, modify, scale, fail over."""
