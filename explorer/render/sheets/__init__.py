"""Pictures that stand alone: grids of feature maps, saliency, maximised pictures, atlases."""
